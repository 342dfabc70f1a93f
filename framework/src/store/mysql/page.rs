//! Reads what was committed, above all pages of events.

use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlPool};

use crate::message::Position;
use crate::store::error::{BoxError, ReadError};
use crate::store::sql::{Found, Row, Session, Statement, Wanted, corrupt};

use super::errors;

/// Reads one page. The first row has the head alone, and comes from the same statement: one statement sees one state of the
/// database, so nothing up to that head can be missing. A join would copy the page into a temporary table.
pub(super) async fn page(readers: &MySqlPool, wanted: Wanted) -> Result<Found, ReadError> {
    let Wanted { text, values, .. } = wanted;
    let text = format!(
        "(SELECT COALESCE(MAX(position), 0) AS position, NULL AS version, NULL AS revision, NULL AS recorded_at, \
         NULL AS event_id, NULL AS name, NULL AS category, NULL AS stream_id, NULL AS metadata, NULL AS payload \
         FROM annals_events) UNION ALL ({text})"
    );
    let rows = fetch(readers, Statement::built(text, values)).await;
    let rows = rows.map_err(|source| ReadError::Unavailable { source })?;
    let mut found = Found { head: Position::START, events: Vec::with_capacity(rows.len()) };
    for (number, mut row) in rows.into_iter().enumerate() {
        let position = row.position("position").map_err(|error| corrupt(Position::START, error))?;
        match number {
            0 => found.head = position,
            _ => found.push(position, row)?,
        }
    }
    Ok(found)
}

/// Runs a statement that only reads. Connections that turn out to be broken are passed over.
pub(super) async fn fetch(readers: &MySqlPool, statement: Statement) -> Result<Vec<Row>, BoxError> {
    let mut tries = readers.options().get_max_connections();
    loop {
        let mut lent = Lent { connection: readers.acquire().await?, busy: true };
        let again = Statement { text: statement.text.clone(), values: statement.values.clone() };
        match lent.connection.fetch(again).await {
            Err(error) if tries > 0 && errors::is_broken(&error) => tries -= 1,
            Err(error) => {
                lent.busy = errors::loses_connection(&error);
                return Err(error);
            }
            Ok(rows) => {
                lent.busy = false;
                return Ok(rows);
            }
        }
    }
}

/// A connection that is closed, and not used again, if its reader goes away half-way through a statement.
struct Lent {
    connection: PoolConnection<MySql>,
    busy: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.busy {
            self.connection.close_on_drop();
        }
    }
}

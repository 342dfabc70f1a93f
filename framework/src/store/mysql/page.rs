//! Reads what was committed, above all pages of events.

use bytes::Bytes;
use sqlx::mysql::MySqlRow;
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlPool, Row as _};

use crate::message::Position;
use crate::store::BareEvent;
use crate::store::error::{BoxError, ReadError};
use crate::store::read::{Read, Scope};
use crate::store::sql::select::{self, Wanted};
use crate::store::sql::{Found, Names, Row, Statement, corrupt};

use super::dialect::DIALECT;
use super::{errors, session};

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
    let mut found = Found::with_capacity(rows.len());
    for (number, mut row) in rows.into_iter().enumerate() {
        let position = row.position("position").map_err(|error| corrupt(Position::START, error))?;
        match number {
            0 => found.head = position,
            _ => found.push(position, row)?,
        }
    }
    Ok(found)
}

/// Reads one page of bare events, as [`page`] does.
pub(super) async fn bare_page(readers: &MySqlPool, read: &Read) -> Result<Option<Found<BareEvent>>, ReadError> {
    let unavailable = |source| ReadError::Unavailable { source };
    let place = if matches!(read.scope, Scope::Stream { .. }) { "version" } else { "position" };
    let columns = format!("e.position, e.{place} AS place, e.revision, e.name, e.payload");
    let wanted = select::page_of(&DIALECT, read, &columns).map_err(unavailable)?;
    let Some(Wanted { text, values, .. }) = wanted else { return Ok(None) };
    let text = format!(
        "(SELECT COALESCE(MAX(position), 0) AS position, NULL AS place, NULL AS revision, NULL AS name, NULL AS payload \
         FROM annals_events) UNION ALL ({text})"
    );
    let rows = fetch_rows(readers, Statement::built(text, values)).await.map_err(unavailable)?;
    bare_events(&rows).map(Some).map_err(|error| corrupt(Position::START, error))
}

fn bare_events(rows: &[MySqlRow]) -> Result<Found<BareEvent>, BoxError> {
    let mut names = Names::default();
    let mut found = Found::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let position = Position::new(row.try_get_unchecked::<i64, _>(0)?.unsigned_abs());
        if number == 0 {
            found.head = position;
            continue;
        }
        let (place, revision): (i64, i64) = (row.try_get_unchecked(1)?, row.try_get_unchecked(2)?);
        let (name, payload): (&[u8], &[u8]) = (row.try_get_unchecked(3)?, row.try_get_unchecked(4)?);
        let payload = Bytes::copy_from_slice(payload);
        found.events.push(BareEvent::new(place.unsigned_abs(), names.shared(name)?, revision.try_into()?, payload));
        found.newest = found.newest.max(position);
    }
    Ok(found)
}

/// Runs a statement that only reads.
pub(super) async fn fetch(readers: &MySqlPool, statement: Statement) -> Result<Vec<Row>, BoxError> {
    fetch_rows(readers, statement).await?.iter().map(session::owned).collect()
}

/// Runs a statement that only reads. Connections that turn out to be broken are passed over.
async fn fetch_rows(readers: &MySqlPool, statement: Statement) -> Result<Vec<MySqlRow>, BoxError> {
    let mut tries = readers.options().get_max_connections();
    loop {
        let mut lent = Lent { connection: readers.acquire().await?, busy: true };
        let again = Statement { text: statement.text.clone(), values: statement.values.clone() };
        match session::rows(&mut lent.connection, again).await {
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

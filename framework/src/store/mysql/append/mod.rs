//! Appends: assumed, verified and written in one round trip where that is possible; else asked first, then written.
//!
//! Whoever appends locks the one row of `annals_lock` until it commits, so positions become visible in their order, and
//! each statement behind the lock sees what was committed while it was waited for (`READ COMMITTED`).

mod assume;
mod facts;
mod link;
mod memory;
mod rows;
mod script;
mod settle;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::MySqlConnection;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::message::Position;
use crate::store::append::{Append, Appended};
use crate::store::batcher::BatchWriter;
use crate::store::error::{AppendError, BoxError};
use crate::store::exchange::StoredEvent;
use crate::store::plan::{Facts, Plan, Questions, plan};
use crate::store::sql::{Commit, Deleted, Failure, Placed, deleted, raise, write};

use super::address::Address;
use super::errors;
use link::{Link, Stop, send};
use script::Script;

/// How long one round trip of an append may take, waiting for the lock of others included.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a batch is tried again that the server has rolled back because of others.
const DEADLOCKS: usize = 5;

type Answered = Vec<Result<Appended, AppendError>>;

/// Writes batches of appends through a connection of its own.
#[derive(Debug)]
pub(super) struct Writer {
    link: Mutex<Link>,
    appended: watch::Sender<Position>,
}

/// Which questions are asked before a batch is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Whether event ids and command ids are known is left to their keys: they are almost always new.
    AllButIds,
    Everything,
}

/// Why a batch was not written yet.
enum Setback {
    Failed(Failure),
    /// Event ids and command ids are to be asked for as well.
    IdsMatter,
    /// The connection broke during the commit, and the batch is not there: it can be written again.
    NotThere(BoxError),
}

/// What the first attempt has come to.
enum Attempt {
    Written(Answered),
    Ask(Ask),
}

impl Writer {
    /// A writer that raises `appended` after each commit.
    pub(super) fn new(address: Address, connection: MySqlConnection, appended: watch::Sender<Position>) -> Self {
        Self { link: Mutex::new(Link::new(address, connection)), appended }
    }

    /// Closes the connection. No append is under way any more.
    pub(super) async fn close(&self) {
        self.link.lock().await.close().await;
    }
}

#[async_trait]
impl BatchWriter for Writer {
    async fn write(&self, batch: &[Append]) -> Answered {
        write(self, batch).await
    }
}

#[async_trait]
impl Commit for Writer {
    async fn commit(&self, batch: &[Append]) -> Result<Answered, Failure> {
        let answers = self.link.lock().await.write(batch).await?;
        if let Some(head) = answers.iter().flatten().map(|appended| appended.position).max() {
            raise(&self.appended, head);
        }
        Ok(answers)
    }
}

impl Link {
    async fn write(&mut self, batch: &[Append]) -> Result<Answered, Failure> {
        let mut ask = match self.write_assuming(batch).await? {
            Attempt::Written(answers) => return Ok(answers),
            Attempt::Ask(ask) => ask,
        };
        let (begun, mut deadlocks) = (Instant::now(), 0);
        loop {
            match self.write_asking(batch, ask).await {
                Ok(answers) => return Ok(answers),
                Err(Setback::IdsMatter) => ask = Ask::Everything,
                Err(Setback::NotThere(error)) if begun.elapsed() > settle::PATIENCE => {
                    return Err(Failure::NotWritten(error));
                }
                Err(Setback::NotThere(_)) => {}
                Err(Setback::Failed(Failure::NotWritten(error)))
                    if deadlocks < DEADLOCKS && errors::is_deadlock(&error) =>
                {
                    deadlocks += 1;
                }
                Err(Setback::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// Looks up what `batch` depends on, under the append lock, and writes it.
    async fn write_asking(&mut self, batch: &[Append], ask: Ask) -> Result<Answered, Setback> {
        let locked = self.locked(batch, ask).await;
        let (mut connection, facts) = locked.map_err(|error| Setback::Failed(errors::of_statement(error)))?;
        let deleted = deleted(&facts);
        let plan = plan(batch, facts);
        // A repeat is answered with its first places, whatever it expects.
        let ids_matter = ask == Ask::AllButIds && plan.answers.iter().any(Result::is_err);
        if ids_matter || plan.is_empty() {
            self.give_up(connection).await;
            return if ids_matter { Err(Setback::IdsMatter) } else { Ok(plan.answers) };
        }
        let mut script = Script::new();
        if let Err(error) = rows::add_plan(&mut script, &plan, &deleted) {
            self.give_up(connection).await;
            return Err(Setback::Failed(Failure::Refused(error)));
        }
        script.add("COMMIT");
        let stop = match send(&mut connection, script).await {
            Ok(()) => {
                self.committed(connection, &plan);
                return Ok(plan.answers);
            }
            Err(stop) => stop,
        };
        if !errors::loses_connection(stop.error()) {
            self.give_up(connection).await;
        }
        match stop {
            Stop::Before(error) if ask == Ask::AllButIds && errors::is_duplicate(&error) => Err(Setback::IdsMatter),
            Stop::Before(error) => Err(Setback::Failed(errors::of_statement(error))),
            Stop::Commit(error) => self.settle(plan, error).await,
        }
    }
}

/// Plans `batch` under the append lock that the transaction on `connection` holds, and writes the plan, but for the commit.
pub(super) async fn prepare<'a>(connection: &mut MySqlConnection, batch: &'a [Append]) -> Result<Plan<'a>, BoxError> {
    let facts = facts::newest(connection, batch).await?;
    let deleted = deleted(&facts);
    let plan = plan(batch, facts);
    if !plan.is_empty() {
        let mut script = Script::new();
        rows::add_plan(&mut script, &plan, &deleted)?;
        send(connection, script).await.map_err(Stop::into_error)?;
    }
    Ok(plan)
}

/// What an import depends on.
pub(super) async fn facts(connection: &mut MySqlConnection, questions: Questions<'_>) -> Result<Facts, BoxError> {
    facts::ask(connection, questions).await
}

/// Writes events that were exported elsewhere.
pub(super) async fn import(
    connection: &mut MySqlConnection,
    fresh: &[&StoredEvent],
    deleted: &Deleted,
) -> Result<(), BoxError> {
    let mut script = Script::new();
    let placed: Vec<_> = fresh.iter().map(|event| Placed::from(*event)).collect();
    rows::add_events(&mut script, &placed, deleted)?;
    send(connection, script).await.map_err(Stop::into_error)
}

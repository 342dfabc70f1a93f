//! The connection through which appends go.

use sqlx::MySqlConnection;

use crate::store::append::Append;
use crate::store::error::BoxError;
use crate::store::plan::{Facts, Plan, Questions, Set, StreamState};
use crate::store::sql::Session;

use super::super::address::Address;
use super::super::errors;
use super::super::open::{close, connect};
use super::super::session::run;
use super::facts::{self, Answers, Asked};
use super::memory::{AsOf, Memory};
use super::script::Script;
use super::{Ask, PATIENCE};

/// Begins a transaction and takes the append lock.
pub(super) const LOCK: [&str; 2] = ["START TRANSACTION", "SELECT 0, changes FROM annals_lock WHERE id = 1 FOR UPDATE"];

/// A connection, and what is remembered of what went over it.
#[derive(Debug)]
pub(super) struct Link {
    address: Address,
    /// `None` where the last one broke, and once the store is closed.
    connection: Option<MySqlConnection>,
    closed: bool,
    pub(super) memory: Memory,
}

/// Where a script stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// Before its last statement: a commit there was not run.
    Before(BoxError),
    /// At its last statement, or nobody knows where.
    Commit(BoxError),
}

impl Stop {
    pub(super) fn error(&self) -> &BoxError {
        let (Self::Before(error) | Self::Commit(error)) = self;
        error
    }

    pub(super) fn into_error(self) -> BoxError {
        let (Self::Before(error) | Self::Commit(error)) = self;
        error
    }
}

/// Runs all statements of `script`.
pub(super) async fn send(connection: &mut MySqlConnection, script: Script) -> Result<(), Stop> {
    let (large, texts) = script.finish();
    for statement in large {
        connection.execute(statement).await.map_err(Stop::Before)?;
    }
    let last = texts.len();
    for (number, text) in texts.into_iter().enumerate() {
        let statements = text.statements;
        if let Err((done, error)) = run(connection, text.text, PATIENCE).await {
            let may_be_last = done + 1 == statements || errors::loses_connection(&error);
            return Err(if number + 1 == last && may_be_last { Stop::Commit(error) } else { Stop::Before(error) });
        }
    }
    Ok(())
}

impl Link {
    pub(super) fn new(address: Address, connection: MySqlConnection) -> Self {
        Self { address, connection: Some(connection), closed: false, memory: Memory::new() }
    }

    pub(super) async fn close(&mut self) {
        self.closed = true;
        if let Some(connection) = self.connection.take() {
            close(connection).await;
        }
    }

    /// The connection, if there is one.
    pub(super) fn take(&mut self) -> Option<MySqlConnection> {
        self.connection.take()
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<MySqlConnection, BoxError> {
        if self.closed {
            return Err("the store is closed".into());
        }
        connect(&self.address).await
    }

    /// Takes the append lock and looks up what `batch` depends on. An idle connection may have broken meanwhile: then
    /// another one is made.
    pub(super) async fn locked(&mut self, batch: &[Append], ask: Ask) -> Result<(MySqlConnection, Facts), BoxError> {
        if let Some(mut connection) = self.take() {
            match self.look_up(&mut connection, batch, ask).await {
                Ok(facts) => return Ok((connection, facts)),
                Err(error) if errors::is_broken(&error) => {
                    tracing::warn!(%error, "the connection for appends is lost and is made anew");
                }
                Err(error) => return Err(self.given_up(connection, error).await),
            }
        }
        let mut connection = self.connect().await?;
        match self.look_up(&mut connection, batch, ask).await {
            Ok(facts) => Ok((connection, facts)),
            Err(error) => Err(self.given_up(connection, error).await),
        }
    }

    async fn look_up(
        &mut self,
        connection: &mut MySqlConnection,
        batch: &[Append],
        ask: Ask,
    ) -> Result<Facts, BoxError> {
        let mut questions = Questions::of(batch);
        if ask == Ask::AllButIds {
            questions.events.clear();
            questions.commands.clear();
        }
        let (known, unknown): (Set<_>, Set<_>) =
            questions.streams.into_iter().partition(|(tenant, stream)| self.memory.newest(tenant, stream).is_some());
        questions.streams = unknown;
        let mut script = Script::new();
        LOCK.into_iter().for_each(|statement| script.add(statement));
        let asked = Asked::of(questions, &mut script);
        asked.add_conditions(batch, &mut script)?;
        let Answers { mut facts, changes, .. } = asked.answers(connection, script).await?;
        let changes = changes.ok_or("the row of the table `annals_lock` is gone")?;
        let now = AsOf { head: facts.head, changes };
        if self.memory.as_of() == Some(now) {
            facts.streams.extend(known.into_iter().filter_map(|(tenant, stream)| {
                let newest = self.memory.newest(tenant, stream)?;
                Some(((tenant.to_owned(), stream.clone()), StreamState::open(newest)))
            }));
        } else if !known.is_empty() {
            let again = facts::ask(connection, Questions { streams: known, ..Questions::default() }).await?;
            facts.streams.extend(again.streams);
        }
        self.memory.learn(now, &facts);
        Ok(facts)
    }

    /// Notes that `plan` was committed over `connection`.
    pub(super) fn committed(&mut self, connection: MySqlConnection, plan: &Plan<'_>) {
        self.connection = Some(connection);
        self.memory.written(plan);
    }

    /// Ends a transaction without writing anything.
    pub(super) async fn give_up(&mut self, mut connection: MySqlConnection) {
        match connection.control("ROLLBACK").await {
            Ok(()) => self.connection = Some(connection),
            Err(error) => tracing::warn!(%error, "a transaction could not be rolled back; its connection is dropped"),
        }
    }

    async fn given_up(&mut self, connection: MySqlConnection, error: BoxError) -> BoxError {
        if !errors::loses_connection(&error) {
            self.give_up(connection).await;
        }
        error
    }
}

//! Errors of the application as a whole.

use std::fmt;

use crate::command::{CommandFailure, RecurringError, SendError};
use crate::handler::error::chain;
use crate::processor::SettingError;
use crate::query::QueryError;
use crate::registry::Problem;
use crate::store::error::BoxError;
use crate::store::{OpenError, ReadError, StoreError};
use crate::view::ViewError;

/// What a `main` function returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of the framework, for programs that only report it. Functions have errors of their own.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The application did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The domain refused a command.
    #[error("the command was rejected")]
    Rejected {
        /// The domain's error.
        source: BoxError,
    },
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandFailure),
    /// A query was not answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A view could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A state could not be loaded.
    #[error(transparent)]
    Load(#[from] crate::aggregate::LoadError),
    /// A snapshot was not made.
    #[error(transparent)]
    Snapshot(#[from] crate::aggregate::SnapshotError),
    /// The application did not come to rest.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// A processor was not steered as was asked.
    #[error(transparent)]
    Processor(#[from] crate::processor::ProcessorError),
    /// A recurring schedule is not as was asked.
    #[error(transparent)]
    Recurring(#[from] RecurringError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl<E: std::error::Error + Send + Sync + 'static> From<SendError<E>> for Error {
    fn from(error: SendError<E>) -> Self {
        match error {
            SendError::Rejected(error) => Self::Rejected { source: error.into() },
            SendError::Failed(failure) => Self::Command(failure),
        }
    }
}

/// Why an application did not start.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// No store was named. Call `Annals::builder().store(url)`.
    #[error("no store was named: call `.store(\"sqlite://..\")` on the builder")]
    NoStore,
    /// Settings were given for a processor that there is not.
    #[error("there is no processor `{name}` to set up with `Builder::processor`; there are {known:?}")]
    NoProcessor {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Settings were given for a saga or a workflow that there is not.
    #[error("there is no saga `{name}` to set up with `Builder::saga`; there are {known:?}")]
    NoSaga {
        /// The name.
        name: String,
        /// The names that there are, of sagas and workflows.
        known: Vec<&'static str>,
    },
    /// A setting of a processor or a saga is outside of its limits.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// This program could not make itself known as a node. Start again when the database answers.
    #[error("this program could not make itself known as a node")]
    Node(#[from] StoreError),
    /// A view or handlers could not begin or stop to run inline: they could not be brought up to the events that were stored
    /// before, or other nodes still run them in another way. What was handled is kept; the next start goes on from there.
    #[error("`{token}` could not begin to run inline, or stop to")]
    Inline {
        /// Name of its token: that of its processor, where it has one.
        token: String,
        /// What went wrong.
        source: BoxError,
    },
    /// A recurring schedule that is declared could not be stored.
    #[error("a recurring schedule could not be stored")]
    Recurring {
        /// Why not.
        source: RecurringError,
    },
    /// The store could not say which indexes the documents of views have.
    #[error("the indexes of the views could not be checked")]
    Views {
        /// Why not.
        source: StoreError,
    },
    /// A `#[setup]` method failed. Nothing of it was kept.
    #[error("`{component}` could not be set up")]
    Setup {
        /// The component.
        component: String,
        /// What it said.
        source: BoxError,
    },
    /// What is declared is faulty; all problems at once.
    #[error("{}", listed(.0))]
    Problems(Vec<Problem>),
}

impl fmt::Debug for StartError {
    /// As for people: a `main` that returns the error prints this.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

impl fmt::Debug for Error {
    /// As for people: a `main` that returns the error prints this.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
    format!("the application cannot start, {} {} found:{}", problems.len(), plural(problems.len()), lines.concat())
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "problem was" } else { "problems were" }
}

/// Why the application did not come to rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// There is work left.
    #[error("the application has not come to rest: {left}")]
    Busy {
        /// What is left.
        left: String,
    },
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

//! Imports stock, accounts and orders from CSV files.
//!
//! Importing the same files again changes nothing, and an import that was killed at any moment and started again ends
//! as if it had never been disturbed. Three things make it so:
//!
//! - every row is sent under a command id of its own that a repeat finds again (`rows`);
//! - rows that could influence one another run one after the other, each to its end, in the order of the file (`turns`);
//! - what a row sets in motion is driven on by the saga, whose state and effects survive the process.

mod meter;
mod report;
mod rows;
mod run;
mod sheet;
mod turns;

use std::io;
use std::path::PathBuf;

use annals::view::ViewError;

use crate::domain::OrderId;

pub use meter::Meter;
pub use report::Report;
pub use run::{Files, run};
pub use sheet::Fault;

/// Why an import stopped. What was done up to there is kept; start it again to go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file has not the columns that it needs.
    #[error("`{}` lacks {columns} in its header", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is missing.
        columns: String,
    },
    /// A command could not be carried out, for no fault of the row.
    #[error("the command in {file}, line {line} failed")]
    Command {
        /// The file's name.
        file: String,
        /// The row.
        line: u64,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An order did not come to its end.
    #[error("order `{order}` ({file}, line {line}) did not come to its end")]
    Unsettled {
        /// The order.
        order: OrderId,
        /// The file's name.
        file: String,
        /// The row.
        line: u64,
        /// What went wrong.
        source: ViewError,
    },
}

//! Golden files: what was stored once stays readable.
//!
//! Two kinds of files are kept beside the tests, and are checked in:
//!
//! - the [`catalogue`] of all stored names, revisions and shapes: a test fails when one has vanished or changed without an
//!   upcaster;
//! - [`payloads`] of each revision, as programs have written them: a test fails when one can no longer be lifted and decoded.
//!
//! ```no_run
//! use annals::prelude::*;
//! use annals::testing::golden;
//!
//! # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { order: String }
//! // As a test, in `tests/golden.rs`; paths begin at the folder of the package.
//! fn what_is_stored_stays_readable() {
//!     golden::catalogue("tests/golden/catalogue.json");
//!     golden::payloads("tests/golden").example(OrderPlaced { order: "o-1".into() }).check();
//! }
//! ```
//!
//! The environment variable `ANNALS_GOLDEN` says what is written:
//!
//! | value | writes |
//! |---|---|
//! | not set | files that are missing |
//! | `check` | nothing: a missing file is a failure, as it should be on a build server |
//! | `write` | what has grown as well |
//! | `overwrite` | everything, also a catalogue that makes stored payloads unreadable |

mod catalogue;
mod error;
mod payloads;

pub use catalogue::{catalogue, check_catalogue};
pub use error::GoldenError;
pub use payloads::{Payloads, payloads};

use std::path::Path;

/// Which golden files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Update {
    /// Those that are missing.
    #[default]
    Missing,
    /// None.
    Nothing,
    /// Those that have grown as well.
    Growth,
    /// All.
    Everything,
}

impl Update {
    /// What the environment variable `ANNALS_GOLDEN` says.
    ///
    /// # Errors
    /// [`GoldenError::Setting`] when it says something else.
    pub fn from_env() -> Result<Self, GoldenError> {
        match std::env::var("ANNALS_GOLDEN").as_deref() {
            Err(_) | Ok("") => Ok(Self::Missing),
            Ok("check") => Ok(Self::Nothing),
            Ok("write") => Ok(Self::Growth),
            Ok("overwrite") => Ok(Self::Everything),
            Ok(other) => Err(GoldenError::Setting { value: other.to_owned() }),
        }
    }
}

/// Writes a file, and the folders that it lies in.
fn write(path: &Path, text: &str) -> Result<(), GoldenError> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    written.map_err(|source| GoldenError::File { path: path.to_owned(), source })
}

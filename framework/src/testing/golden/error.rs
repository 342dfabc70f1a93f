//! Why what is stored is not as it was.

use std::path::PathBuf;

use crate::catalogue::Comparison;

/// Why a check of golden files failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// The environment variable has a value that means nothing.
    #[error("`ANNALS_GOLDEN` is `{value}`: expected `check`, `write` or `overwrite`")]
    Setting {
        /// The value.
        value: String,
    },
    /// A file cannot be read or written.
    #[error("the golden file `{}` cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is missing, and nothing is to be written.
    #[error("the golden file `{}` is missing: run the test without `ANNALS_GOLDEN=check`, and check the file in", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is no catalogue.
    #[error("the golden file `{}` is no catalogue", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The program can no longer read what programs before it have stored.
    #[error(
        "what is stored can no longer be read, says `{}`:\n{changes}\nWhere nothing of it is stored anywhere, run the test \
         with `ANNALS_GOLDEN=overwrite`", path.display()
    )]
    Faults {
        /// The file.
        path: PathBuf,
        /// What has changed.
        changes: Comparison,
    },
    /// The program stores more than before.
    #[error(
        "what is stored has grown since `{}`:\n{changes}\nRun the test with `ANNALS_GOLDEN=write`, and check the file in",
        path.display()
    )]
    Grown {
        /// The file.
        path: PathBuf,
        /// What has changed.
        changes: Comparison,
    },
    /// The upcasters of the program are faulty.
    #[error("the upcasters are faulty: {}", faults.join("; "))]
    Upcasters {
        /// What is wrong.
        faults: Vec<String>,
    },
    /// Payloads cannot be read any more; each with its file and the reason.
    #[error("golden payloads cannot be read:\n{}", unreadable.join("\n"))]
    Payloads {
        /// File and reason, a line for each.
        unreadable: Vec<String>,
    },
}

//! Who does the work.

use clap::ValueEnum;
use serde::Serialize;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// This framework.
    Annals,
    /// Plain sqlx, as one would write it first.
    Plain,
    /// The best that plain sqlx can do with batching by hand.
    Batched,
}

impl Subject {
    pub(crate) const ALL: [Self; 3] = [Self::Annals, Self::Plain, Self::Batched];

    /// Its name in tables and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Annals => "annals",
            Self::Plain => "plain",
            Self::Batched => "batched",
        }
    }
}

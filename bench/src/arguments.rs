//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::database::{Database, Route};
use crate::plain::Access;
use crate::subject::Subject;
use crate::workload::Workload;

/// Measures Annals against the same work in plain SQL.
///
/// Starts the servers that it needs, and prints a table of medians over rounds in which the subjects take turns.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", max_term_width = 100)]
pub(crate) struct Arguments {
    /// Measures these workloads only; may be repeated [default: all].
    #[arg(long, value_enum, value_name = "WORKLOAD")]
    pub(crate) only: Vec<Workload>,
    /// Measures on these databases only; may be repeated [default: all].
    #[arg(long, value_enum)]
    pub(crate) database: Vec<Database>,
    /// Measures with so many clients only, where a workload has several; may be repeated.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) clients: Vec<u32>,
    /// Measures these subjects only; may be repeated [default: all].
    #[arg(long, value_enum)]
    pub(crate) subject: Vec<Subject>,
    /// Short rounds: under two minutes for one workload, and less exact.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds of each subject.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// How long each subject is measured in each round [default: 2, with --quick 0.3].
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// Also writes every figure to this file, as a JSON array.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also writes a table of the framework's figures to this file, in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Events that the store of the workloads `growth` and `projection` holds beforehand [default: 1000000, with --quick
    /// 200000 for `growth` and 50000 for `projection`].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    events: Option<u64>,
    /// Gives plain SQL a pool of this size [default: the fastest of several, and of none, found in a trial].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=90))]
    pool: Option<u32>,
    /// Reaches the servers over TCP instead of a Unix socket.
    #[arg(long)]
    tcp: bool,
    /// Where the databases are put for the run [default: where temporary files lie on a disk].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        if self.only.is_empty() { Workload::ALL.to_vec() } else { self.only.clone() }
    }

    pub(crate) fn databases(&self) -> Vec<Database> {
        if self.database.is_empty() { Database::DURABLE.to_vec() } else { self.database.clone() }
    }

    pub(crate) fn span(&self) -> Duration {
        self.seconds.unwrap_or(if self.quick { Duration::from_millis(300) } else { Duration::from_secs(2) })
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.unwrap_or(if self.quick { 200_000 } else { 1_000_000 })
    }

    pub(crate) fn view_events(&self) -> u64 {
        self.events.unwrap_or(if self.quick { 50_000 } else { 1_000_000 })
    }

    pub(crate) fn access(&self) -> Option<Access> {
        self.pool.map(Access::Pool)
    }

    pub(crate) fn route(&self) -> Route {
        if self.tcp { Route::Tcp } else { Route::Socket }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.01..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("expected a number from 0.01 to 3600".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn rounds_are_short_when_asked_for() {
        let quick = Arguments::parse_from(["bench", "--quick", "--only", "commands", "--database", "sqlite"]);
        assert_eq!(quick.span(), Duration::from_millis(300));
        assert_eq!((quick.workloads(), quick.databases()), (vec![Workload::Commands], vec![Database::Sqlite]));
        assert_eq!(Arguments::parse_from(["bench", "--quick", "--seconds", "1.5"]).span(), Duration::from_millis(1500));
    }
}

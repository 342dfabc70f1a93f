//! Commands per second with durable commits: Annals beside the same work in plain SQL, in one run.
//!
//! Many clients deposit money on many accounts. Each deposit is one command, and one event in a SQLite file with WAL and
//! `synchronous = FULL`: it is on the disk before the client hears of it. Rounds of the subjects alternate, each on a
//! fresh file, so that a slow moment of the machine meets all of them; the table shows medians.

mod annals;
mod machine;
mod measure;
mod plain;
mod report;
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use machine::{Machine, flush_ms};
use measure::{Sample, Subject, measure};
use plain::{Access, Plain};
use report::Report;
use workload::Workload;

/// Any error of a subject; the run ends with it.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures commands per second against the same work in plain SQL.
#[derive(Debug, Parser)]
#[command(name = "annals-bench", max_term_width = 100)]
struct Arguments {
    /// Clients that send at the same time, each waiting for its answer.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// Accounts that the commands are spread over, at random.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    aggregates: u32,
    /// Commands of one round, all clients together.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    commands: u32,
    /// Rounds of each subject.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Gives plain SQL a pool of this size [default: the fastest of several, and of none, found in a trial].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pool: Option<u32>,
    /// Where the databases are put for the run [default: beside this program].
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Also writes every figure to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("annals-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let folder = folder(arguments)?;
    let workload =
        Workload { clients: arguments.clients, aggregates: arguments.aggregates, commands: arguments.commands };
    let machine = Machine::describe(folder.path())?;
    println!("{machine}\n{workload}, {} rounds\n", arguments.rounds);

    let access = match arguments.pool {
        Some(size) => Access::Pool(size),
        None => best_access(folder.path(), workload).await?,
    };
    println!("plain SQL uses {access}");
    let mut report = Report::new(machine, workload, access);
    for round in 1..=arguments.rounds {
        println!("round {round} of {} (flush to disk {:.2} ms)", arguments.rounds, flush_ms(folder.path())?);
        // Neither has the first place of every round.
        if round % 2 == 1 {
            report.add(plain::NAME, plain_round(folder.path(), workload, access).await?);
            report.add(annals::NAME, annals_round(folder.path(), workload).await?);
        } else {
            report.add(annals::NAME, annals_round(folder.path(), workload).await?);
            report.add(plain::NAME, plain_round(folder.path(), workload, access).await?);
        }
    }
    println!("\n{}", report.table());
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
        println!("all figures: {}", file.display());
    }
    Ok(())
}

/// A folder that goes away with the run. Not the system's folder for temporary files: that is often memory, where a
/// durable commit costs nothing.
fn folder(arguments: &Arguments) -> Result<tempfile::TempDir, Error> {
    let parent = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => std::env::current_exe()?.parent().unwrap_or(Path::new(".")).to_owned(),
    };
    Ok(tempfile::Builder::new().prefix("annals-bench-").tempdir_in(parent)?)
}

/// The way to connections at which plain SQL does best here, so that it is measured at its best. Each is tried twice and
/// the faster time counts: what else goes on in the machine can only slow it down.
async fn best_access(folder: &Path, workload: Workload) -> Result<Access, Error> {
    let trial = Workload { commands: workload.commands.div_ceil(5), ..workload };
    let candidates = [Access::Shared, Access::Pool(1), Access::Pool(2), Access::Pool(4), Access::Pool(16)];
    let mut rates = candidates.map(|access| (access, 0.0_f64));
    for _ in 0..2 {
        for (access, rate) in &mut rates {
            *rate = rate.max(plain_round(folder, trial, *access).await?.per_second());
        }
    }
    for (access, rate) in rates {
        println!("trial: plain SQL with {access}, {rate:.0} commands/s");
    }
    let best = rates.into_iter().max_by(|one, other| one.1.total_cmp(&other.1));
    Ok(best.map_or(Access::Shared, |(access, _)| access))
}

async fn plain_round(folder: &Path, workload: Workload, access: Access) -> Result<Sample, Error> {
    let file = tempfile::tempdir_in(folder)?;
    one_round(Plain::open(&file.path().join("plain.db"), access).await?, workload).await
}

async fn annals_round(folder: &Path, workload: Workload) -> Result<Sample, Error> {
    let file = tempfile::tempdir_in(folder)?;
    one_round(annals::Accounts::open(&file.path().join("annals.db")).await?, workload).await
}

/// Measures `subject` and checks that it has stored an event for each command.
async fn one_round<S: Subject>(subject: S, workload: Workload) -> Result<Sample, Error> {
    let (subject, sample) = measure(subject, workload).await?;
    let stored = subject.finish().await?;
    if stored != workload.events() {
        return Err(format!("{stored} events are stored, {} were acknowledged", workload.events()).into());
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[tokio::test]
    async fn a_round_of_plain_sql_stores_every_command() {
        let folder = tempfile::tempdir().expect("a folder for the database");
        let workload = Workload { clients: 4, aggregates: 3, commands: 50 };
        for access in [Access::Shared, Access::Pool(2)] {
            let sample = plain_round(folder.path(), workload, access).await.expect("the round runs");
            assert_eq!(sample.latencies(), 50);
        }
    }

    #[tokio::test]
    async fn a_round_of_annals_stores_every_command() {
        let folder = tempfile::tempdir().expect("a folder for the database");
        let workload = Workload { clients: 4, aggregates: 3, commands: 50 };
        let sample = annals_round(folder.path(), workload).await.expect("the round runs");
        assert_eq!(sample.latencies(), 50);
    }
}

//! The speed of Annals beside the same work in plain SQL, in one run.
//!
//! A workload has cases; in each, the subjects take turns for some rounds, each on a fresh database, so that a slow
//! moment of the machine meets all of them. The table shows medians; ratios are taken within rounds. Every commit is on
//! the disk before the client hears of it, on all sides alike, and after each round the stored events are counted.

mod annals;
mod arguments;
mod database;
mod deposit;
mod machine;
mod measure;
mod plain;
mod report;
mod run;
mod subject;
mod totals;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use run::Run;

/// Any error of a subject; the run ends with it.
type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match measure_all(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("annals-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all(arguments: &Arguments) -> Result<(), Error> {
    let mut run = Run::start(arguments)?;
    for workload in arguments.workloads() {
        workload.run(&mut run).await?;
    }
    println!("\n{}\n\n{}", run.machine(), report::table(run.rows()));
    if let Some(file) = &arguments.json {
        report::write(file, run.rows())?;
        println!("\nall figures: {}", file.display());
    }
    if let Some(file) = &arguments.markdown {
        std::fs::write(file, format!("{}\n\n{}\n", run.machine(), report::summary(run.rows())))?;
        println!("\nthe framework's figures: {}", file.display());
    }
    Ok(())
}

//! The command line.

mod args;
mod at_work;
mod database;
mod look;
mod output;
mod summary;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Args, Command};

/// What a command ends with when it fails. The text and its causes are shown to the user.
type Failure = Box<dyn Error + Send + Sync>;

/// Runs the command that the arguments ask for. 0 for success, 1 for a failure, 2 for wrong arguments.
pub async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(anstream::stderr).init();

    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&*failure);
            ExitCode::FAILURE
        }
    }
}

async fn run(Args { db, command }: Args) -> Result<(), Failure> {
    match command {
        Command::Demo { fresh } => at_work::demo(db, fresh).await,
        Command::Import { stock, customers, orders } => {
            at_work::import(db, &stock, customers.as_deref(), &orders).await
        }
        Command::Show { order } => look::show(db, &order).await,
        Command::History { order } => look::history(db, &order).await,
        Command::At { order, time } => look::at(db, &order, time).await,
        Command::Stock => look::stock(db).await,
        Command::Accounts => look::accounts(db).await,
        Command::Serve { listen } => at_work::serve(db, listen).await,
    }
}

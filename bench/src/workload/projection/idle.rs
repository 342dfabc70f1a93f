//! What an application with ten processors asks of PostgreSQL while nothing happens.
//!
//! An operation is a transaction that the server has counted, which is one for each statement outside of one.

use std::time::{Duration, Instant};

use crate::Error;
use crate::annals::{Accounts, IDLE_PROCESSORS};
use crate::database::{Database, Home};
use crate::deposit::Deposit;
use crate::measure::Sample;
use crate::report::{Case, Figures};
use crate::run::Run;
use crate::subject::Subject;

/// A server tells what it has counted up to a second later, and what a connection has done that then rests for long, ten.
const LATE: Duration = Duration::from_secs(2);

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    let home = run.fresh(Database::Postgres).await?;
    let app = Accounts::idle(&home.url).await?;
    for number in 0..10 {
        app.deposit(Deposit::on(number, number)).await?;
    }
    tokio::time::sleep(3 * LATE).await;
    let begun = Instant::now();
    let before = committed(&home).await?;
    tokio::time::sleep(run.span() * 5).await;
    let statements = committed(&home).await?.saturating_sub(before);
    let elapsed = begun.elapsed();
    app.close().await?;
    home.remove().await?;
    let figures = Figures::from(&Sample::new(elapsed, vec![Duration::ZERO])).times(statements);
    let case = Case::new("idle", Database::Postgres, 0).with("processors", IDLE_PROCESSORS);
    for row in run.keep(&case, &[(Subject::Annals, vec![figures])]) {
        println!("idle, postgres, {IDLE_PROCESSORS} processors: {:.1} statements/s", row.ops_per_second);
    }
    Ok(())
}

/// How many transactions the database has counted, but for those of whoever asks.
async fn committed(home: &Home) -> Result<u64, Error> {
    let count = "SELECT xact_commit::text FROM pg_stat_database WHERE datname = current_database()";
    let counted = home.texts(count.to_owned()).await?;
    Ok(counted.first().ok_or("the server counts nothing")?.parse()?)
}

//! The commands that change something: demo, import, serve.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annals::Annals;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, database, output, summary};
use crate::{http, import};

/// How long views may take to catch up before the summary is shown.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Imports the files that come with the example.
pub(super) async fn demo(db: Option<String>, fresh: bool) -> Result<(), Failure> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data");
    let (stock, customers, orders) = (data.join("stock.csv"), data.join("customers.csv"), data.join("orders.csv"));
    let files = import::Files::read(&stock, Some(&customers), &orders)?;
    if fresh {
        database::remove(db.clone())?;
    }
    carry_out(db, files).await
}

/// Imports files and shows what came of them.
pub(super) async fn import(
    db: Option<String>,
    stock: &Path,
    customers: Option<&Path>,
    orders: &Path,
) -> Result<(), Failure> {
    carry_out(db, import::Files::read(stock, customers, orders)?).await
}

async fn carry_out(db: Option<String>, files: import::Files) -> Result<(), Failure> {
    let meter = import::Meter::default();
    let (app, url) = database::open(db, Annals::builder().dispatch_interceptor(meter.clone())).await?;
    let (bar, began) = (progress_bar(), Instant::now());
    let report = import::run(&app, files, &bar).await;
    bar.finish_and_clear();
    let (report, speed) = (report?, summary::Speed { commands: meter.commands(), elapsed: began.elapsed() });
    app.settled(CATCH_UP).await?;
    let summary = summary::of(&app, &report, &speed, &url).await?;
    app.shutdown().await?;
    output::print(&summary)
}

/// Serves orders over HTTP until ctrl-c.
pub(super) async fn serve(db: Option<String>, listen: SocketAddr) -> Result<(), Failure> {
    let (app, url) = database::open(db, Annals::builder()).await?;
    let listener = http::listen(listen).await?;
    output::print(&format!("listening on http://{}\ndatabase {url}", listener.local_addr()?))?;
    http::serve(app.clone(), listener).await?;
    app.shutdown().await?;
    Ok(())
}

/// On standard error, and only where that is a terminal.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows  {elapsed}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

//! Carries the rows out: lanes side by side, the rows of a lane one after the other.

use std::path::Path;
use std::time::Duration;

use annals::prelude::*;
use annals::{Annals, CommandFailure, SendError};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;

use super::rows::{self, Request, Row};
use super::sheet::Sheet;
use super::{Fault, ImportError, Report, lanes};
use crate::domain::{OrderSummary, Status};
use crate::error::chain;

/// Lanes that run at the same time.
const SIDE_BY_SIDE: usize = 64;

/// How long to wait for an order to come to its end: longer than it waits for its stock.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of a row.
enum Outcome {
    New,
    Known,
    Refused(String),
}

/// What two files ask for.
#[derive(Debug)]
pub struct Files {
    stock: Sheet<Row>,
    orders: Sheet<Row>,
}

impl Files {
    /// Reads both files. It needs no database, so wrong files are found before there is one.
    ///
    /// # Errors
    /// When a file cannot be read or has the wrong columns. A row that cannot be read is no error: it stands in the
    /// report.
    pub fn read(stock: &Path, orders: &Path) -> Result<Self, ImportError> {
        Ok(Self { stock: rows::stock(stock)?, orders: rows::orders(orders)? })
    }
}

/// Imports the stock, then the orders.
///
/// # Errors
/// When the application fails. A row that the domain refuses is no error: it stands in the report.
pub async fn run(app: &Annals, files: Files, bar: &ProgressBar) -> Result<Report, ImportError> {
    let Files { stock, orders } = files;
    bar.set_length((stock.rows.len() + orders.rows.len()) as u64);

    let mut report = Report::default();
    let mut refused = Vec::new();
    for sheet in [stock, orders] {
        report.faults.extend(sheet.faults);
        let lanes = stream::iter(lanes::sort(sheet.rows)).map(|rows| lane(app, rows, bar));
        let outcomes: Vec<_> = lanes.buffer_unordered(SIDE_BY_SIDE).try_concat().await?;
        refused.extend(count(&mut report, outcomes));
    }
    report.faults.extend(refused);
    for Fault { file, line, reason } in &report.faults {
        tracing::info!(file, line, reason, "row refused");
    }
    Ok(report)
}

/// Carries out the rows of one lane.
async fn lane(app: &Annals, rows: Vec<Row>, bar: &ProgressBar) -> Result<Vec<(Row, Outcome)>, ImportError> {
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        let outcome = carry_out(app, &row).await?;
        bar.inc(1);
        tracing::debug!(file = row.file, line = row.line, "row done");
        outcomes.push((row, outcome));
    }
    Ok(outcomes)
}

/// Carries out one row, to its end.
async fn carry_out(app: &Annals, row: &Row) -> Result<Outcome, ImportError> {
    let outcome = match row.request.clone() {
        Request::Add(command) => send(app, row, command).await?,
        Request::Place(command) => send(app, row, command).await?,
        Request::Cancel(command) => send(app, row, command).await?,
    };
    if let (Some(order), Outcome::New | Outcome::Known) = (row.request.order(), &outcome) {
        let settled = |order: Option<&OrderSummary>| order.is_some_and(|order| is_settled(&row.request, order));
        let wait = app.view::<OrderSummary>().wait_for(order, PATIENCE, settled).await;
        wait.map_err(|source| ImportError::Unsettled {
            order: order.clone(),
            file: row.file.clone(),
            line: row.line,
            source,
        })?;
    }
    Ok(outcome)
}

/// Whether what the row has set in motion has come to its end: the order is decided, or its stock is given back.
fn is_settled(request: &Request, order: &OrderSummary) -> bool {
    match request {
        Request::Add(_) => true,
        Request::Place(_) => order.status != Status::Pending,
        Request::Cancel(_) => order.status == Status::Cancelled && order.held == 0,
    }
}

/// Sends the command of a row.
async fn send<C: Command>(app: &Annals, row: &Row, command: C) -> Result<Outcome, ImportError> {
    let mut sending = app.send(command).id(row.id).metadata("source", format!("{}:{}", row.file, row.line));
    if let Some(customer) = &row.customer {
        sending = sending.metadata("customer", customer);
    }
    match sending.await {
        Ok(sent) if sent.repeated => Ok(Outcome::Known),
        Ok(_) => Ok(Outcome::New),
        Err(SendError::Rejected(error)) => Ok(Outcome::Refused(chain(&error))),
        Err(SendError::Failed(CommandFailure::AlreadyExists { stream })) => {
            let what = if matches!(row.request, Request::Add(_)) { "article" } else { "order" };
            Ok(Outcome::Refused(format!("the {what} `{}` exists already", stream.id())))
        }
        Err(SendError::Failed(failure)) => {
            Err(ImportError::Command { file: row.file.clone(), line: row.line, source: failure.into() })
        }
    }
}

/// Counts outcomes, and returns the refused rows in the order of the file.
fn count(report: &mut Report, outcomes: Vec<(Row, Outcome)>) -> Vec<Fault> {
    let mut refused = Vec::new();
    for (row, outcome) in outcomes {
        match outcome {
            Outcome::New => report.new += 1,
            Outcome::Known => report.known += 1,
            Outcome::Refused(reason) => refused.push(Fault { file: row.file, line: row.line, reason }),
        }
    }
    refused.sort_by_key(|fault| fault.line);
    refused
}

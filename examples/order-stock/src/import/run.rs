//! Carries the rows out: side by side, each when those that it waits for have come to their end.

use std::path::Path;
use std::time::Duration;

use annals::prelude::*;
use annals::{Annals, CommandFailure, SendError};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::rows::{self, Request, Row};
use super::sheet::Sheet;
use super::{Fault, ImportError, Report, turns};
use crate::domain::{PAYMENT_TIME, RESERVATION_TIME, Status};
use crate::error::chain;
use crate::views::OrderSummary;

/// Rows that run, or wait for their turn, at the same time.
const SIDE_BY_SIDE: usize = 256;

/// How long to wait for an order to come to its end: longer than it waits for its stock and its payment.
const PATIENCE: Duration = RESERVATION_TIME.saturating_add(PAYMENT_TIME).saturating_add(Duration::from_secs(60));

/// What came of a row.
enum Outcome {
    New,
    Known,
    Refused(String),
}

/// What the files ask for.
#[derive(Debug)]
pub struct Files {
    stock: Sheet<Row>,
    customers: Option<Sheet<Row>>,
    orders: Sheet<Row>,
}

impl Files {
    /// Reads the files; customers need not have one. It needs no database, so wrong files are found before there is one.
    ///
    /// # Errors
    /// When a file cannot be read or has the wrong columns. A row that cannot be read is no error: it stands in the
    /// report.
    pub fn read(stock: &Path, customers: Option<&Path>, orders: &Path) -> Result<Self, ImportError> {
        let customers = customers.map(rows::customers).transpose()?;
        Ok(Self { stock: rows::stock(stock)?, customers, orders: rows::orders(orders)? })
    }
}

/// Imports the stock, then the customers, then the orders.
///
/// # Errors
/// When the application fails. A row that the domain refuses is no error: it stands in the report.
pub async fn run(app: &Annals, files: Files, bar: &ProgressBar) -> Result<Report, ImportError> {
    let Files { stock, customers, orders } = files;
    let sheets: Vec<_> = [Some(stock), customers, Some(orders)].into_iter().flatten().collect();
    bar.set_length(sheets.iter().map(|sheet| sheet.rows.len() as u64).sum());

    let mut report = Report::default();
    let mut refused = Vec::new();
    for sheet in sheets {
        report.faults.extend(sheet.faults);
        let outcomes = carry_out_all(app, sheet.rows, bar).await?;
        refused.extend(count(&mut report, outcomes));
    }
    report.faults.extend(refused);
    for Fault { file, line, reason } in &report.faults {
        tracing::info!(file, line, reason, "row refused");
    }
    Ok(report)
}

/// Carries out the rows of a file.
///
/// They begin in the order of the file, and wait only for rows before them: the first of those that are not done can
/// always go on.
async fn carry_out_all(app: &Annals, rows: Vec<Row>, bar: &ProgressBar) -> Result<Vec<(Row, Outcome)>, ImportError> {
    let turns = turns::sort(&rows);
    let done: Vec<_> = rows.iter().map(|_| CancellationToken::new()).collect();
    let done = &done;
    let outcomes = stream::iter(rows.into_iter().zip(turns).zip(done)).map(async |((row, turn), this)| {
        for place in turn {
            done[place].cancelled().await;
        }
        let outcome = carry_out(app, &row).await?;
        this.cancel();
        bar.inc(1);
        tracing::debug!(file = row.file, line = row.line, "row done");
        Ok((row, outcome))
    });
    outcomes.buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

/// Carries out one row, to its end.
async fn carry_out(app: &Annals, row: &Row) -> Result<Outcome, ImportError> {
    let outcome = match row.request.clone() {
        Request::Add(command) => send(app, row, command).await?,
        Request::Open(command) => send(app, row, command).await?,
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

/// Whether what the row has set in motion has come to its end: the order is decided and, where it was decided against,
/// its stock and its money are given back.
fn is_settled(request: &Request, order: &OrderSummary) -> bool {
    let given_back = order.held == 0 && order.paid.is_zero();
    match (request, &order.status) {
        (Request::Add(_) | Request::Open(_), _) | (Request::Place(_), Status::Approved) => true,
        (Request::Place(_), Status::Rejected(_)) | (_, Status::Cancelled) => given_back,
        _ => false,
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
            Ok(Outcome::Refused(format!("the {} `{}` exists already", row.request.what(), stream.id())))
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

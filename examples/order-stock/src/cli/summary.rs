//! What came of an import, as tables.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use annals::Annals;
use annals::view::{ViewError, ViewHandlers};
use comfy_table::{Cell, Color, Table};

use super::database;
use super::output::{BOLD, FAINT, GOOD, program, quoted, styled, table};
use crate::domain::{PaymentError, Reason, Status, StockError};
use crate::import::{Fault, Report};
use crate::views::{AccountBalance, OrderSummary, StockLevel};

/// Rows of the table of faults; more are only counted there, and each is in the log.
const FAULTS_SHOWN: usize = 200;

/// The order of the demo that is shown as an example, there as in `--help`.
const EXAMPLE: &str = "o-0042";

/// Rows of the table of declined payments.
const DECLINED_SHOWN: usize = 5;

/// Documents that are read at once.
const PAGE: usize = 500;

/// The summary of an import into the database at `url`.
pub(super) async fn of(app: &Annals, report: &Report, speed: &Speed, url: &str) -> Result<String, ViewError> {
    let stock = StockRow::all(app).await?;
    let accounts = AccountRow::all(app).await?;
    let orders = all::<OrderSummary>(app).await?;
    let mut parts = vec![StockRow::table(&stock).to_string()];
    if !accounts.is_empty() {
        parts.push(AccountRow::table(&accounts).to_string());
    }
    parts.push(outcomes(&orders).to_string());
    parts.extend(declined(&orders));
    if !report.faults.is_empty() {
        parts.push(faults(&report.faults));
    }
    parts.push(closing(report, speed, url));
    let mut keys = orders.iter().map(|(key, _)| key).filter(|key| !key.starts_with('-'));
    let example = keys.clone().find(|key| *key == EXAMPLE).or_else(|| keys.next());
    parts.push(styled(FAINT, next(example, url)));
    Ok(parts.join("\n\n"))
}

/// How much was done in which time.
pub(super) struct Speed {
    pub(super) commands: u64,
    pub(super) elapsed: Duration,
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = self.commands as f64 / seconds.max(f64::EPSILON);
        write!(f, "{} commands in {seconds:.2} s, {rate:.0} per second", self.commands)
    }
}

/// Every document of a view, ordered by key.
async fn all<V: ViewHandlers>(app: &Annals) -> Result<Vec<(String, V)>, ViewError> {
    let mut documents: Vec<(String, V)> = Vec::new();
    loop {
        let after = documents.last().map(|(key, _)| key.clone());
        let page = app.view::<V>().list(after.as_deref(), PAGE).await?;
        if page.is_empty() {
            return Ok(documents);
        }
        documents.extend(page);
    }
}

/// What is left of one article.
pub(super) struct StockRow {
    sku: String,
    level: StockLevel,
}

impl StockRow {
    /// All articles.
    pub(super) async fn all(app: &Annals) -> Result<Vec<Self>, ViewError> {
        let levels = all::<StockLevel>(app).await?;
        Ok(levels.into_iter().map(|(sku, level)| Self { sku, level }).collect())
    }

    /// The articles as a table.
    pub(super) fn table(rows: &[Self]) -> Table {
        let mut table = table(&["Article", "Name", "#Left", "#Set aside"]);
        for Self { sku, level } in rows {
            let left = Cell::new(level.left);
            let left = if level.left == 0 { left.fg(Color::Yellow) } else { left };
            table.add_row([Cell::new(sku), Cell::new(&level.name), left, Cell::new(level.held)]);
        }
        table
    }
}

/// What one customer has left.
pub(super) struct AccountRow {
    customer: String,
    balance: AccountBalance,
}

impl AccountRow {
    /// All accounts.
    pub(super) async fn all(app: &Annals) -> Result<Vec<Self>, ViewError> {
        let balances = all::<AccountBalance>(app).await?;
        Ok(balances.into_iter().map(|(customer, balance)| Self { customer, balance }).collect())
    }

    /// The accounts as a table.
    pub(super) fn table(rows: &[Self]) -> Table {
        let mut table = table(&["Customer", "#Left", "#Paid"]);
        for Self { customer, balance: AccountBalance { left, paid } } in rows {
            table.add_row([Cell::new(customer), Cell::new(left), Cell::new(paid)]);
        }
        table
    }
}

/// How far an order has come, in colour.
pub(super) fn status(status: &Status) -> Cell {
    match status {
        Status::Unknown => Cell::new("unknown"),
        Status::Pending => Cell::new("pending").fg(Color::Yellow),
        Status::Approved => Cell::new("approved").fg(Color::Green),
        Status::Rejected(reason) => {
            let left = match reason {
                Reason::Stock(StockError::TooLittle { left }) => format!(", {left} left"),
                Reason::Payment(PaymentError::Declined { left }) => format!(", {left} in the account"),
                _ => String::new(),
            };
            Cell::new(format!("rejected: {reason}{left}")).fg(Color::Red)
        }
        Status::Cancelled => Cell::new("cancelled").fg(Color::Grey),
    }
}

/// How many orders ended how.
fn outcomes(orders: &[(String, OrderSummary)]) -> Table {
    let mut counts = BTreeMap::new();
    for (_, order) in orders {
        let (rank, name) = match &order.status {
            Status::Approved => (0, "approved".to_owned()),
            Status::Rejected(reason) => (1, format!("rejected: {reason}")),
            Status::Cancelled => (2, "cancelled".to_owned()),
            Status::Pending | Status::Unknown => (3, "pending".to_owned()),
        };
        *counts.entry((rank, name)).or_insert(0_u64) += 1;
    }
    let mut table = table(&["Orders", "#Number"]);
    for ((_, name), count) in counts {
        table.add_row([name, count.to_string()]);
    }
    table
}

/// The first orders that were not paid for, and what each of them had set aside and gave back.
fn declined(orders: &[(String, OrderSummary)]) -> Option<String> {
    let declined = orders.iter().filter_map(|(_, order)| match (&order.status, &order.bill) {
        (Status::Rejected(Reason::Payment(PaymentError::Declined { left })), Some(bill)) => Some((order, bill, left)),
        _ => None,
    });
    let mut table = table(&["Payment declined", "Customer", "#Price", "#In the account", "Stock given back"]);
    for (OrderSummary { order, sku, quantity, held, .. }, bill, left) in declined.clone().take(DECLINED_SHOWN) {
        let given_back = format!("{} of {sku}", quantity.saturating_sub(*held));
        table.add_row([
            order.to_string(),
            bill.customer.to_string(),
            bill.amount.to_string(),
            left.to_string(),
            given_back,
        ]);
    }
    match declined.count() {
        0 => None,
        count if count > DECLINED_SHOWN => Some(format!("{table}\nand {} more", count - DECLINED_SHOWN)),
        _ => Some(table.to_string()),
    }
}

fn faults(faults: &[Fault]) -> String {
    let mut table = table(&["Refused in", "#Line", "Why"]);
    for fault in faults.iter().take(FAULTS_SHOWN) {
        table.add_row([fault.file.clone(), fault.line.to_string(), fault.reason.clone()]);
    }
    match faults.len().checked_sub(FAULTS_SHOWN) {
        None | Some(0) => table.to_string(),
        Some(more) => format!("{table}\nand {more} more; RUST_LOG=order_stock=info shows them"),
    }
}

fn closing(report: &Report, speed: &Speed, url: &str) -> String {
    let Report { new, known, faults } = report;
    let refused = faults.len();
    let news = if *new == 0 {
        styled(GOOD, format_args!("Nothing changed: all {known} rows had been imported before."))
    } else {
        styled(GOOD, format_args!("Imported {new} rows")) + &format!(", {known} were known.")
    };
    format!("{news} {refused} rows were refused.\n{speed}.\nThe database is {}", styled(BOLD, url))
}

/// Commands that can be entered as they stand, to look at what was imported.
fn next(order: Option<&String>, url: &str) -> String {
    let db = if url == database::default_url() { String::new() } else { format!(" --db {}", quoted(url)) };
    let mut commands = vec!["stock".to_owned(), "serve".to_owned()];
    if let Some(order) = order {
        let order = quoted(order);
        commands.splice(0..1, [format!("show {order}"), format!("history {order}")]);
    }
    let program = program();
    let lines = commands.iter().map(|command| format!("\n  {program} {command}{db}"));
    format!("Next:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_commands_can_be_entered_as_they_stand() {
        let text = next(Some(&"o x".to_owned()), "sqlite:///tmp/a b.db?mode=rwc");
        assert!(text.contains(" show 'o x' --db 'sqlite:///tmp/a b.db?mode=rwc'\n"), "{text}");
        let text = next(Some(&"o-1".to_owned()), &database::default_url());
        assert!(text.contains(" show o-1\n") && !text.contains("--db"), "{text}");
        assert!(next(None, "memory:").contains(" stock --db memory:\n"));
    }
}

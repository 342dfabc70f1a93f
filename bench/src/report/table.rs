//! The rows as a table for people.

use comfy_table::{CellAlignment, Table, presets};

use super::row::Row;
use crate::subject::Subject;

/// A Markdown table of the framework alone, with what it comes to beside the others: for a page.
pub(crate) fn summary(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "workload",
        "database",
        "clients",
        "",
        "ops/s",
        "p50 ms",
        "p99 ms",
        "to plain",
        "to batched",
        "besides",
    ]);
    for row in rows.iter().filter(|row| row.subject == Subject::Annals) {
        table.add_row([
            row.case.workload.to_owned(),
            row.case.database.name().to_owned(),
            row.case.clients.to_string(),
            row.case.detail(),
            format!("{:.0}", row.ops_per_second),
            milliseconds(row.p50_us),
            milliseconds(row.p99_us),
            ratio(row.ratio_to_plain),
            ratio(row.ratio_to_batched),
            besides(row),
        ]);
    }
    align_right(&mut table, &[2, 4, 5, 6, 7, 8]);
    table
}

/// A Markdown table of everything.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "workload",
        "database",
        "clients",
        "",
        "subject",
        "ops/s",
        "lowest .. highest",
        "p50 ms",
        "p99 ms",
        "to plain",
        "to batched",
        "besides",
    ]);
    for row in rows {
        let lowest = row.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = row.rounds.iter().copied().fold(0.0, f64::max);
        table.add_row([
            row.case.workload.to_owned(),
            row.case.database.name().to_owned(),
            row.case.clients.to_string(),
            row.case.detail(),
            row.subject.name().to_owned(),
            format!("{:.0}", row.ops_per_second),
            format!("{lowest:.0} .. {highest:.0}"),
            milliseconds(row.p50_us),
            milliseconds(row.p99_us),
            ratio(row.ratio_to_plain),
            ratio(row.ratio_to_batched),
            besides(row),
        ]);
    }
    align_right(&mut table, &[2, 5, 6, 7, 8, 9, 10]);
    table
}

fn align_right(table: &mut Table, places: &[usize]) {
    for place in places {
        if let Some(column) = table.column_mut(*place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.2}"))
}

fn besides(row: &Row) -> String {
    let extra = row.extra.iter().map(|(name, value)| format!("{name} {value:.*}", digits(*value)));
    extra.collect::<Vec<_>>().join(", ")
}

/// Enough digits for operations in memory as well.
fn milliseconds(us: f64) -> String {
    if us < 100.0 { format!("{:.4}", us / 1e3) } else { format!("{:.2}", us / 1e3) }
}

fn digits(value: f64) -> usize {
    if value.fract() == 0.0 || value >= 100.0 { 0 } else { 2 }
}

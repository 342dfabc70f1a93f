//! The rows as a table for people.

use comfy_table::{CellAlignment, Table, presets};

use super::row::Row;

/// A Markdown table.
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
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    for row in rows {
        let lowest = row.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = row.rounds.iter().copied().fold(0.0, f64::max);
        let besides: Vec<_> =
            row.extra.iter().map(|(name, value)| format!("{name} {value:.*}", digits(*value))).collect();
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
            number(row.ratio_to_plain),
            number(row.ratio_to_batched),
            besides.join(", "),
        ]);
    }
    for place in [2, 5, 6, 7, 8, 9, 10] {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Enough digits for operations in memory as well.
fn milliseconds(us: f64) -> String {
    if us < 100.0 { format!("{:.4}", us / 1e3) } else { format!("{:.2}", us / 1e3) }
}

fn digits(value: f64) -> usize {
    if value.fract() == 0.0 || value >= 100.0 { 0 } else { 2 }
}

//! The figures of a run: a table for people, a file for programs.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::machine::Machine;
use crate::measure::{Figures, Sample};
use crate::plain::{self, Access};
use crate::workload::Workload;

/// Everything that a run has found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    workload: Workload,
    /// How plain SQL came to its connections.
    plain_access: String,
    subjects: Vec<Row>,
}

/// One subject over all rounds.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    medians: Figures,
    /// Commands per second as a multiple of those of plain SQL.
    ratio: Option<f64>,
    rounds: Vec<Figures>,
}

impl Report {
    pub(crate) fn new(machine: Machine, workload: Workload, plain_access: Access) -> Self {
        Self { machine, workload, plain_access: plain_access.to_string(), subjects: Vec::new() }
    }

    /// Takes down a round of the subject `name`.
    pub(crate) fn add(&mut self, name: &'static str, sample: Sample) {
        let figures = sample.figures();
        match self.subjects.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(figures),
            None => self.subjects.push(Row { name, medians: figures, ratio: None, rounds: vec![figures] }),
        }
        self.settle();
    }

    fn settle(&mut self) {
        for row in &mut self.subjects {
            row.medians = Figures::medians(&row.rounds);
        }
        let base = self.subjects.iter().find(|row| row.name == plain::NAME).map(|row| row.medians.per_second);
        for row in &mut self.subjects {
            row.ratio = base.map(|base| row.medians.per_second / base);
        }
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "commands/s", "lowest .. highest", "p50 ms", "p99 ms", "ratio"]);
        for row in &self.subjects {
            let rates = || row.rounds.iter().map(|round| round.per_second);
            table.add_row([
                row.name.to_owned(),
                format!("{:.0}", row.medians.per_second),
                format!("{:.0} .. {:.0}", rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max)),
                format!("{:.2}", row.medians.p50_ms),
                format!("{:.2}", row.medians.p99_ms),
                row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

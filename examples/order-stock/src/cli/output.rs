//! What the user sees. Colours are left out where they cannot be shown.

use std::error::Error;
use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table};

use super::Failure;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const FAINT: Style = Style::new().dimmed();

/// A terminal below this width shows tables cut off rather than squeezed to nothing.
const NARROWEST: u16 = 40;

/// `text` in this style.
pub(super) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints `text`. A reader that has seen enough, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// How this program was started.
pub(super) fn program() -> String {
    let package = env!("CARGO_PKG_NAME");
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == package) {
        // Cargo sets it for what it runs.
        return format!("cargo run -p {package} --");
    }
    std::env::args().next().map_or_else(|| package.to_owned(), |program| quoted(&program))
}

/// `text` as one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().all(|character| character.is_alphanumeric() || "-_./:@,+=%".contains(character)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Says why a command failed, with one line for each cause.
pub(super) fn failure(failure: &(dyn Error + Send + Sync + 'static)) {
    let mut text = format!("{} {failure}", styled(BAD, "error:"));
    let mut cause = failure.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  because: {error}"));
        cause = error.source();
    }
    // When nobody can read what went wrong, the exit status still tells.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// An empty table with these columns; those whose title begins with `#` hold numbers.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    // A terminal that does not know its width says 0.
    if table.width().is_some_and(|width| width >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(
        columns.iter().map(|title| Cell::new(title.trim_start_matches('#')).add_attribute(Attribute::Bold)),
    );
    for (column, title) in table.column_iter_mut().zip(columns) {
        if title.starts_with('#') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

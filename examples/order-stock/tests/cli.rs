//! The program from the command line: every command, wrong input, and what it prints where.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Finished, Place, line_with, program};

const STOCK: &str = "TEA-01,\"Sencha, loose\",10\nÅL-01,Ål,3\nKAF-01,Café,4294967295\n";

/// A shop in which one order was approved, one rejected and one cancelled.
fn shop() -> (Place, String) {
    let place = Place::new();
    let orders =
        "place,o-1,TEA-01,4,\"Müller, Jörg\"\nplace,o-2,TEA-01,7,Ada\nplace,注文-3,ÅL-01,2,山田\ncancel,注文-3,,,\n";
    let summary = place.import_rows(STOCK, orders).ok();
    (place, summary)
}

#[test]
fn an_import_ends_with_a_summary() {
    let (place, summary) = shop();
    line_with(&summary, ["TEA-01", "Sencha, loose", "6", "4"]);
    line_with(&summary, ["ÅL-01", "Ål", "3", "0"]);
    line_with(&summary, ["approved", "1"]);
    line_with(&summary, ["rejected: too little stock", "1"]);
    line_with(&summary, ["cancelled", "1"]);
    line_with(&summary, ["Imported 7 rows", "0 rows were refused"]);
    line_with(&summary, ["commands in", "per second"]);
    line_with(&summary, ["The database is", &place.db()]);
    line_with(&summary, [&format!("order-stock show o-1 --db {}", place.db())]);
    let by_cargo = program().args(["demo", "--db", &place.db()]).env("CARGO_PKG_NAME", "order-stock").output().unwrap();
    line_with(
        &Finished::from(by_cargo).ok(),
        [&format!("cargo run -p order-stock -- show o-0042 --db {}", place.db())],
    );
}

#[test]
fn importing_again_changes_nothing() {
    let (place, first) = shop();
    let again = place.import(&place.path("stock.csv"), &place.path("orders.csv")).ok();
    line_with(&again, ["Nothing changed", "7 rows"]);
    assert_eq!(tables(&first), tables(&again));
}

#[test]
fn rows_may_be_added_to_a_file_that_was_imported_before() {
    let (place, _) = shop();
    let summary = place
        .import_rows(STOCK, "place,o-0,ÅL-01,1,\nplace,o-1,TEA-01,4,\nplace,o-2,TEA-01,7,\nplace,o-4,TEA-01,6,\n")
        .ok();
    line_with(&summary, ["Imported 2 rows", "5 were known", "0 rows were refused"]);
    line_with(&summary, ["TEA-01", "0", "10"]);
}

#[test]
fn unreadable_and_refused_rows_are_reported_by_line_and_the_rest_goes_on() {
    let place = Place::new();
    let summary = place.import_rows(
        "TEA-01,Sencha,10\nTEA-02\nTEA-03,Maté,-1\nTEA-01,Sencha again,5\n",
        "place,o-1,TEA-01\nplace,o-2,TEA-01,many,Ada\nreturn,o-3,TEA-01,1,Ada\nplace,,TEA-01,1,Ada\nplace,o-4,TEA-01,1,\"Ada\n\
         place,o-5,TEA-01,0,Ada\ncancel,o-6,,,Ada\nplace,o-7,TEA-01,4,Ada\nplace,o-7,TEA-01,4,Ada\nplace,o-7,TEA-01,5,Ada\n\
         place,o-8,XXX,1,Ada\ncancel,o-8,,,Ada\nplace,o-9,TEA-01,4294967295,Ada\n",
    );
    let summary = summary.ok();
    line_with(&summary, ["stock.csv", "3", "the column `name` is missing"]);
    line_with(&summary, ["stock.csv", "4", "the quantity `-1` is no whole number"]);
    line_with(&summary, ["stock.csv", "5", "the article `TEA-01` exists already"]);
    line_with(&summary, ["orders.csv", "2", "the column `quantity` is missing"]);
    line_with(&summary, ["orders.csv", "3", "the quantity `many` is no whole number"]);
    line_with(&summary, ["orders.csv", "4", "unknown action `return`"]);
    line_with(&summary, ["orders.csv", "5", "the order has no name"]);
    line_with(&summary, ["orders.csv", "6", "a quote is opened and not closed"]);
    line_with(&summary, ["orders.csv", "7", "an order needs a quantity of at least 1"]);
    line_with(&summary, ["orders.csv", "8", "there is no such order"]);
    line_with(&summary, ["orders.csv", "10", "the order `o-7` exists already"]);
    line_with(&summary, ["orders.csv", "11", "`o-7` exists already"]);
    line_with(&summary, ["orders.csv", "13", "the order has been rejected: unknown article"]);
    line_with(&summary, ["approved", "1"]);
    line_with(&summary, ["rejected: unknown article", "1"]);
    line_with(&summary, ["rejected: too little stock", "1"]);
    line_with(&summary, ["Imported 4 rows", "13 rows were refused"]);
}

#[test]
fn a_cancellation_that_came_too_early_spares_the_order_also_when_it_is_repeated() {
    let place = Place::new();
    let orders = "cancel,o-1,,,\nplace,o-1,TEA-01,4,\n";
    line_with(&place.import_rows(STOCK, orders).ok(), ["approved", "1"]);
    let again = place.import_rows(STOCK, orders).ok();
    line_with(&again, ["approved", "1"]);
    line_with(&again, ["Nothing changed"]);
}

#[test]
fn an_order_is_shown_with_its_history_and_as_it_was() {
    let (place, _) = shop();
    line_with(&place.run(["show", "注文-3"]).ok(), ["注文-3", "ÅL-01", "2", "cancelled"]);
    line_with(&place.run(["show", "o-2"]).ok(), ["o-2", "rejected: too little stock, 6 left"]);

    let history = place.run(["history", "注文-3"]).ok();
    for event in ["order.placed", "order.approved", "order.cancelled"] {
        line_with(&history, [event]);
    }
    line_with(&history, ["\"quantity\":2", "\"sku\":\"ÅL-01\""]);
    line_with(&history, ["caused by", "customer 山田", "source orders.csv:4"]);

    let approved_at = line_with(&history, ["order.approved"]).split_whitespace().nth(1).unwrap();
    line_with(&place.run(["at", "注文-3", approved_at]).ok(), ["注文-3", "approved"]);
    place.run(["at", "注文-3", "2020-01-01T00:00:00Z"]).fails(1, ["error:", "was placed later than"]);
    // A day is its end: on the day of its last event an order is as it is now.
    let cancelled_at = line_with(&history, ["order.cancelled"]).split_whitespace().nth(1).unwrap();
    let day = cancelled_at.split('T').next().unwrap();
    line_with(&place.run(["at", "注文-3", day]).ok(), ["注文-3", "cancelled"]);
    place.run(["at", "注文-3", "2020-01-01"]).fails(1, ["was placed later than 2020-01-01T23:59:59.999999Z"]);
}

#[test]
fn the_stock_is_shown() {
    let (place, _) = shop();
    let stock = place.run(["stock"]).ok();
    line_with(&stock, ["TEA-01", "Sencha, loose", "6", "4"]);
    line_with(&stock, ["KAF-01", "Café", "4294967295"]);
}

#[test]
fn what_is_not_there_is_a_failure_in_plain_words() {
    let (place, _) = shop();
    place.run(["show", "o-77"]).fails(1, ["error: there is no order `o-77`"]);
    place.run(["history", "o-77"]).fails(1, ["error: there is no order `o-77`"]);
    place.run(["at", "o-77", "2026-01-01T00:00:00Z"]).fails(1, ["error: there is no order `o-77`"]);
    place.import(&place.path("none.csv"), &place.path("orders.csv")).fails(1, ["cannot read", "none.csv", "because:"]);
    place
        .import(&place.path("stock.csv"), &place.path("stock.csv"))
        .fails(1, ["lacks `action`, `order` in its header"]);
    place.import(&place.path("stock.csv"), &place.path(".")).fails(1, ["cannot read"]);

    let empty = Place::new();
    for arguments in [["show", "o-1"], ["history", "o-1"]] {
        let makes_it = format!("import --stock FILE --orders FILE --db {}`", empty.db());
        empty.run(arguments).fails(1, ["there is no database", &makes_it]);
    }
    assert!(!empty.path("orders.db").exists(), "looking makes no database");
}

#[test]
fn wrong_files_are_found_before_there_is_a_database() {
    let place = Place::new();
    let stock = place.write("stock.csv", "sku,name,quantity\nTEA-01,Sencha,10\n");
    let orders = place.write("orders.csv", "action,order,article,quantity\nplace,o-1,TEA-01,1\n");
    place.import(&stock, &orders).fails(1, ["orders.csv` lacks `sku` in its header"]);
    place.import(&stock, &place.path("none.csv")).fails(1, ["cannot read", "none.csv"]);
    place.import(&place.path("none.csv"), &orders).fails(1, ["cannot read", "none.csv"]);
    assert!(!place.path("orders.db").exists(), "wrong files make no database");
}

#[test]
fn a_database_that_cannot_be_opened_is_a_failure_in_plain_words() {
    let place = Place::new();
    place.write("orders.db", "this is no database, and long enough to be seen as none at all".repeat(20).as_str());
    place.run(["stock"]).fails(1, ["error: cannot open the database", "because:"]);
    let run = |url: &str| Finished::from(program().args(["stock", "--db", url]).output().unwrap());
    run("nowhere:").fails(1, ["error: cannot open the database `nowhere:`", "because:"]);
}

#[test]
fn wrong_arguments_are_a_matter_of_usage() {
    let place = Place::new();
    place.run(["sell"]).fails(2, ["unrecognized subcommand", "Usage:"]);
    place.run(["show"]).fails(2, ["<ORDER>"]);
    place.run(["show", ""]).fails(2, ["the order has no name"]);
    place
        .run(["at", "o-1", "yesterday"])
        .fails(2, ["`yesterday` is no instant such as", "no day such as `2026-11-21`"]);
    place.run(["serve", "--listen", "somewhere"]).fails(2, ["--listen"]);
    Finished::from(program().output().unwrap()).fails(2, ["Usage:"]);
}

#[test]
fn help_explains_every_command_with_an_example() {
    let help = |arguments: &[&str]| Finished::from(program().args(arguments).arg("--help").output().unwrap()).ok();
    let all = help(&[]);
    for command in ["demo", "import", "show", "history", "at", "stock", "serve"] {
        line_with(&all, [command]);
        line_with(&help(&[command]), [&format!("order-stock {command}")]);
        assert!(help(&[command]).contains("Example:"), "{command}");
    }
}

#[test]
fn colours_are_left_out_where_they_cannot_be_shown() {
    let (place, summary) = shop();
    for text in [summary, place.run(["show", "o-1"]).ok(), place.run(["history", "o-1"]).ok()] {
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn the_demo_runs_and_runs_again() {
    let place = Place::new();
    let first = place.run(["demo"]).ok();
    for outcome in ["approved", "rejected: too little stock", "rejected: unknown article", "cancelled"] {
        line_with(&first, [outcome]);
    }
    let again = place.run(["demo"]).ok();
    line_with(&again, ["Nothing changed"]);
    assert_eq!(tables(&first), tables(&again));
    line_with(&place.run(["demo", "--fresh"]).ok(), ["Imported", "0 were known"]);
}

/// The tables in what was printed, without the lines that differ from run to run.
fn tables(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with(['│', '┌', '╞', '└'])).collect()
}

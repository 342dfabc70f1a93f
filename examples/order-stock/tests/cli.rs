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

/// A shop with customers, in which one order was paid, one declined, one paid back and one free of charge.
fn shop_with_customers() -> (Place, String) {
    let place = Place::new();
    let orders = "place,o-1,TEA-01,4,Ada,30.00\nplace,o-2,TEA-01,6,Ada,20.01\nplace,o-3,TEA-01,5,山田,7.5\n\
                  cancel,o-3,,,山田,\nplace,o-4,TEA-01,6,Ada,\n";
    let summary = place.import_with_customers(STOCK, "Ada,50\n山田,7.50\n", orders).ok();
    (place, summary)
}

#[test]
fn what_was_paid_is_shown_and_a_declined_payment_gives_the_stock_back() {
    let (place, summary) = shop_with_customers();
    line_with(&summary, ["│ Ada ", "20.00", "30.00"]);
    line_with(&summary, ["│ 山田", "7.50", "0.00"]);
    line_with(&summary, ["approved", "2"]);
    line_with(&summary, ["rejected: payment declined", "1"]);
    line_with(&summary, ["cancelled", "1"]);
    line_with(&summary, ["│ o-2 ", "Ada", "20.01", "20.00", "6 of TEA-01"]);
    line_with(&summary, ["Imported 10 rows", "0 rows were refused"]);
    line_with(&summary, ["TEA-01", "Sencha, loose", "0", "10"]);

    line_with(&place.run(["show", "o-1"]).ok(), ["o-1", "Ada", "30.00", "30.00", "approved"]);
    line_with(&place.run(["show", "o-2"]).ok(), ["20.01", "0.00", "rejected: payment declined, 20.00 in the account"]);
    line_with(&place.run(["show", "o-3"]).ok(), ["山田", "7.50", "0.00", "cancelled"]);
    line_with(&place.run(["show", "o-4"]).ok(), ["o-4", "0.00", "0.00", "approved"]);
    let history = place.run(["history", "o-2"]).ok();
    line_with(&history, ["\"amount\":\"20.01\"", "\"customer\":\"Ada\""]);
    line_with(&history, ["{\"Declined\":{\"left\":\"20.00\"}}"]);
    let placed_at = line_with(&history, ["order.placed"]).split_whitespace().nth(1).unwrap();
    line_with(&place.run(["at", "o-2", placed_at]).ok(), ["o-2", "Ada", "20.01", "pending"]);

    let accounts = place.run(["accounts"]).ok();
    line_with(&accounts, ["│ Ada ", "20.00", "30.00"]);
    line_with(&accounts, ["│ 山田", "7.50", "0.00"]);
}

#[test]
fn customers_and_prices_may_be_added_to_files_that_were_imported_before() {
    let (place, _) = shop();
    let orders = "place,o-1,TEA-01,4,\"Müller, Jörg\",\nplace,o-2,TEA-01,7,Ada,0.00\nplace,o-5,TEA-01,2,Ada,9.99\n";
    let summary = place.import_with_customers(STOCK, "Ada,10.00\n", orders).ok();
    line_with(&summary, ["Imported 2 rows", "5 were known", "0 rows were refused"]);
    line_with(&summary, ["│ Ada ", "0.01", "9.99"]);
    line_with(&place.run(["show", "o-5"]).ok(), ["9.99", "approved"]);
    let again = place.import_with_customers(STOCK, "Ada,10.00\n", orders).ok();
    line_with(&again, ["Nothing changed", "7 rows"]);
    assert_eq!(tables(&summary), tables(&again));
}

#[test]
fn without_customers_whoever_has_to_pay_is_unknown() {
    let place = Place::new();
    let summary = place.import_with_customers(STOCK, "", "place,o-1,TEA-01,4,Ada,30.00\n").ok();
    line_with(&summary, ["rejected: unknown customer", "1"]);
    line_with(&summary, ["TEA-01", "10", "0"]);
    assert!(!summary.contains("Customer"), "no table of accounts: {summary}");
}

#[test]
fn faults_of_customers_and_prices_are_reported_by_line() {
    let place = Place::new();
    let customers = "Ada,50\nBob,-1\nEve,\nAda,60\n,1\n";
    let orders = "place,o-1,TEA-01,1,,1.00\nplace,o-2,TEA-01,1,Ada,1.234\nplace,o-3,TEA-01,1,Ada,\"1,00\"\n\
                  place,o-4,TEA-01,1,Ada,50.01\ncancel,o-4,,,Ada,\n";
    let summary = place.import_with_customers(STOCK, customers, orders).ok();
    line_with(&summary, ["customers.csv", "3", "the balance `-1` is no amount such as 12.50"]);
    line_with(&summary, ["customers.csv", "4", "the balance is missing"]);
    line_with(&summary, ["customers.csv", "5", "the account `Ada` exists already"]);
    line_with(&summary, ["customers.csv", "6", "the customer has no name"]);
    line_with(&summary, ["orders.csv", "2", "an order with a price needs a customer who pays it"]);
    line_with(&summary, ["orders.csv", "3", "the price `1.234` is no amount such as 12.50"]);
    line_with(&summary, ["orders.csv", "4", "the price `1,00` is no amount such as 12.50"]);
    line_with(&summary, ["orders.csv", "6", "the order has been rejected: payment declined"]);
    line_with(&summary, ["Imported 5 rows", "8 rows were refused"]);
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
    let paths = ["stock.csv", "orders.csv"].map(|name| place.path(name).display().to_string());
    let [stock, orders] = paths.each_ref().map(String::as_str);
    place
        .run(["import", "--stock", stock, "--customers", stock, "--orders", orders])
        .fails(1, ["lacks `customer`, `balance` in its header"]);
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
    for command in ["demo", "import", "show", "history", "at", "stock", "accounts", "serve"] {
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
    let rejected = ["too little stock", "unknown article", "payment declined", "unknown customer"];
    for outcome in
        rejected.map(|reason| format!("rejected: {reason}")).iter().chain(&["approved".into(), "cancelled".into()])
    {
        line_with(&first, [outcome]);
    }
    line_with(&first, ["Payment declined", "Stock given back"]);
    for shown in tables(include_str!("../README.md")) {
        assert!(tables(&first).contains(&shown), "the README shows what the demo does not: {shown}");
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

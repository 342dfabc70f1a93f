//! Differences between two values, field by field.

mod debug;
mod json;

use std::collections::HashMap;
use std::fmt::Debug;

use crate::message::Json;

/// Differences that are shown at most.
const SHOWN: usize = 40;

/// A value taken apart: the path of each field, and what it holds, in order.
type Fields = Vec<(String, String)>;

/// The fields in which two JSON values differ, a line for each.
pub(super) fn json(expected: &Json, actual: &Json) -> Vec<String> {
    differences(&json::fields(expected), &json::fields(actual))
}

/// The fields in which two values differ, a line for each.
pub(super) fn debug(expected: &impl Debug, actual: &impl Debug) -> Vec<String> {
    differences(&debug::fields(&format!("{expected:#?}")), &debug::fields(&format!("{actual:#?}")))
}

/// Panics with the fields that differ, unless the two are equal.
///
/// # Panics
/// When they are not.
#[track_caller]
pub(super) fn assert_same<T: PartialEq + Debug>(expected: &T, actual: &T, otherwise: &str) {
    if expected != actual {
        panic!("{otherwise}\nexpected: {expected:?}\nwas: {actual:?}\n{}", section(debug(expected, actual), "  "));
    }
}

/// Lines of differences under a heading.
pub(super) fn section(lines: Vec<String>, indent: &str) -> String {
    if lines.is_empty() {
        return "they differ in nothing that is shown".to_owned();
    }
    let shown = lines.iter().take(SHOWN).map(|line| format!("\n{indent}{line}"));
    let mut text: String = std::iter::once("difference:".to_owned()).chain(shown).collect();
    if lines.len() > SHOWN {
        text.push_str(&format!("\n{indent}and {} more", lines.len() - SHOWN));
    }
    text
}

fn differences(expected: &Fields, actual: &Fields) -> Vec<String> {
    let by_path = |fields: &Fields| fields.iter().cloned().collect::<HashMap<String, String>>();
    let (wanted, found) = (by_path(expected), by_path(actual));
    let (mut lines, mut told) = (Vec::new(), Vec::<&str>::new());
    for (path, value) in expected {
        if told.iter().any(|above| lies_in(path, above)) {
            continue;
        }
        match found.get(path) {
            Some(other) if other == value => continue,
            Some(other) => lines.push(format!("{}: expected {value}, was {other}", named(path))),
            None => lines.push(format!("{}: expected {value}, was not there", named(path))),
        }
        told.push(path);
    }
    for (path, value) in actual {
        if !wanted.contains_key(path) && !told.iter().any(|above| lies_in(path, above)) {
            lines.push(format!("{}: was {value}, nothing was expected", named(path)));
            told.push(path);
        }
    }
    lines
}

/// Whether the field at `path` is part of the one at `above`.
fn lies_in(path: &str, above: &str) -> bool {
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn named(path: &str) -> &str {
    if path.is_empty() { "the value" } else { path }
}

/// The path of the field `name` in `path`.
fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn fields_are_named_by_their_paths() {
        let expected = json!({ "sku": "tea", "lines": [{ "price": 1 }, { "price": 2 }], "note": null });
        let actual = json!({ "sku": "tea", "lines": [{ "price": 1 }, { "price": 3 }], "at": 7 });
        assert_eq!(
            super::json(&expected, &actual),
            [
                "lines[1].price: expected 2, was 3",
                "note: expected null, was not there",
                "at: was 7, nothing was expected"
            ]
        );
    }

    #[test]
    fn a_part_of_another_shape_is_told_once() {
        let lines = super::json(&json!({ "a": 1 }), &json!({ "a": { "b": 1, "c": 2 } }));
        assert_eq!(lines, ["a: expected 1, was {..}"]);
        assert_eq!(super::json(&json!([]), &json!([1])), ["[0]: was 1, nothing was expected"]);
        assert_eq!(super::json(&json!(1), &json!(2)), ["the value: expected 1, was 2"]);
    }

    #[test]
    fn of_what_only_debug_shows_the_fields_are_told_as_well() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "they are only shown")]
        enum Status {
            Open,
            Closed { why: String },
        }
        #[derive(Debug)]
        #[expect(dead_code, reason = "they are only shown")]
        struct Order {
            status: Status,
            lines: Vec<(u32, &'static str)>,
            prices: std::collections::BTreeMap<&'static str, u32>,
            at: Option<u32>,
        }
        let order = |status, price, at| Order {
            status,
            lines: vec![(1, "a: b"), (2, "{")],
            prices: [("tea: green", price)].into(),
            at,
        };
        let why = |why: &str| Status::Closed { why: why.to_owned() };
        let lines = super::debug(&order(why("late"), 1, Some(1)), &order(why("lost"), 2, Some(2)));
        let wanted = [
            r#"status.why: expected "late", was "lost""#,
            r#"prices["tea: green"]: expected 1, was 2"#,
            "at[0]: expected 1, was 2",
        ];
        assert_eq!(lines, wanted);
        let lines = super::debug(&order(Status::Open, 1, None), &order(why("lost"), 1, Some(2)));
        assert_eq!(lines, ["status: expected Open, was Closed", "at: expected None, was Some"]);
        let mut shorter = order(Status::Open, 1, None);
        shorter.lines.pop();
        let lines = super::debug(&order(Status::Open, 1, None), &shorter);
        assert_eq!(lines, ["lines[1]: expected (..), was not there"]);
    }

    #[test]
    fn a_difference_that_is_not_shown_is_admitted() {
        assert_eq!(super::section(super::debug(&1, &1), ""), "they differ in nothing that is shown");
    }
}

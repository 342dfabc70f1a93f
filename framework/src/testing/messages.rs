//! Messages as a test compares them: stored names and payloads, in order or in any order, without what is ignored.

use crate::message::Json;

use super::diff;

/// Stored name and payload.
pub(super) type Message = (String, Json);

/// Pairs of messages that are weighed at most to find which of them belong together; beyond, they are compared by place.
const WEIGHED: usize = 250_000;

/// How messages are compared.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    ignored: Vec<String>,
}

impl Comparison {
    /// Leaves out the field at `path`, such as `at` or `lines.price`.
    pub(super) fn ignore(&mut self, path: &str) {
        self.ignored.push(path.to_owned());
    }

    /// `payload` without what is ignored.
    pub(super) fn cleared(&self, mut payload: Json) -> Json {
        for path in &self.ignored {
            remove(&mut payload, &path.split('.').collect::<Vec<_>>());
        }
        payload
    }

    /// # Panics
    /// When `actual` is not exactly `expected`.
    #[track_caller]
    pub(super) fn in_order(&self, words: &Words<'_>, expected: &[Message], actual: &[Message]) {
        let (wanted, found) = (self.all(expected), self.all(actual));
        if wanted != found {
            words.panic(expected, actual, differences(&wanted, &found));
        }
    }

    /// # Panics
    /// When `actual` is not `expected` in some order.
    #[track_caller]
    pub(super) fn in_any_order(&self, words: &Words<'_>, expected: &[Message], actual: &[Message]) {
        let (mut missing, mut left) = (Vec::new(), self.all(actual));
        for message in self.all(expected) {
            match left.iter().position(|other| *other == message) {
                Some(index) => drop(left.remove(index)),
                None => missing.push(message),
            }
        }
        if !(missing.is_empty() && left.is_empty()) {
            missing.sort_by(|one, other| one.0.cmp(&other.0));
            left.sort_by(|one, other| one.0.cmp(&other.0));
            words.panic(expected, actual, differences(&missing, &left));
        }
    }

    fn all(&self, messages: &[Message]) -> Vec<Message> {
        messages.iter().map(|(name, payload)| (name.clone(), self.cleared(payload.clone()))).collect()
    }
}

/// What the messages are called when they differ.
pub(super) struct Words<'a> {
    /// `events` or `commands`.
    pub(super) kind: &'a str,
    /// What was done to the actual ones, such as `emitted`.
    pub(super) done: &'a str,
    /// What else explains the difference.
    pub(super) note: Option<&'a str>,
}

impl Words<'_> {
    #[track_caller]
    fn panic(&self, expected: &[Message], actual: &[Message], differences: Vec<String>) -> ! {
        let Self { kind, done, note } = self;
        let note = note.map(|note| format!("\n{note}")).unwrap_or_default();
        panic!(
            "other {kind} were expected\nexpected:\n{}\n{done}:\n{}\n{}{note}",
            lines(expected),
            lines(actual),
            diff::section(differences, "  ")
        );
    }
}

/// Messages as lines of name and payload.
pub(super) fn lines(messages: &[Message]) -> String {
    if messages.is_empty() {
        return "  (none)".to_owned();
    }
    messages.iter().map(|(name, payload)| format!("  {name} {payload}")).collect::<Vec<_>>().join("\n")
}

/// Takes the field at `path` out of objects, and out of each element of lists.
fn remove(payload: &mut Json, path: &[&str]) {
    match (payload, path) {
        (Json::Array(elements), _) => elements.iter_mut().for_each(|element| remove(element, path)),
        (Json::Object(fields), [name]) => drop(fields.remove(*name)),
        (Json::Object(fields), [name, rest @ ..]) => {
            if let Some(field) = fields.get_mut(*name) {
                remove(field, rest);
            }
        }
        _ => {}
    }
}

/// For each message that differs its number, its name and its fields that differ.
fn differences(expected: &[Message], actual: &[Message]) -> Vec<String> {
    let mut told = Vec::new();
    for pair in pairs(expected, actual) {
        match (pair.0.and_then(|at| Some((at, expected.get(at)?))), pair.1.and_then(|at| Some((at, actual.get(at)?)))) {
            (Some((_, wanted)), Some((_, found))) if wanted == found => {}
            (Some((_, (name, wanted))), Some((at, (other, found)))) if name == other => {
                told.push(format!("{name} (number {})", at + 1));
                told.extend(diff::json(wanted, found).into_iter().map(|line| format!("  {line}")));
            }
            (wanted, found) => {
                told.extend(
                    wanted.map(|(at, (name, _))| format!("{name} (number {} of those expected) is missing", at + 1)),
                );
                told.extend(found.map(|(at, (name, _))| format!("{name} (number {}) was not expected", at + 1)));
            }
        }
    }
    told
}

type Pair = (Option<usize>, Option<usize>);

/// Which messages belong together, so that one too many does not make all behind it differ: as few as possible are left
/// alone, and of those of one name as many as possible are equal. Source: Wagner and Fischer, "The string-to-string
/// correction problem".
fn pairs(expected: &[Message], actual: &[Message]) -> Vec<Pair> {
    let (rows, columns) = (expected.len(), actual.len());
    if rows.saturating_mul(columns) > WEIGHED {
        let at = |index, length| Some(index).filter(|index| *index < length);
        return (0..rows.max(columns)).map(|index| (at(index, rows), at(index, columns))).collect();
    }
    // The cost of the messages behind (row, column), from the end.
    let mut costs = vec![vec![0_usize; columns + 1]; rows + 1];
    let cost = |costs: &[Vec<usize>], row: usize, column: usize| {
        costs.get(row).and_then(|costs| costs.get(column)).copied().unwrap_or(usize::MAX / 2)
    };
    for row in (0..=rows).rev() {
        for column in (0..=columns).rev() {
            let choices = choices(expected.get(row), actual.get(column));
            let least = choices.map(|(own, down, right)| own + cost(&costs, row + down, column + right)).min();
            if let Some(place) = costs.get_mut(row).and_then(|costs| costs.get_mut(column)) {
                *place = least.unwrap_or_default();
            }
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < rows || column < columns {
        let choices = choices(expected.get(row), actual.get(column));
        let Some((_, down, right)) =
            choices.min_by_key(|(own, down, right)| own + cost(&costs, row + down, column + right))
        else {
            break;
        };
        pairs.push((Some(row).filter(|_| down == 1), Some(column).filter(|_| right == 1)));
        (row, column) = (row + down, column + right);
    }
    pairs
}

/// Ways on from two messages: what each costs, and how many messages of either side it takes.
fn choices(wanted: Option<&Message>, found: Option<&Message>) -> impl Iterator<Item = (usize, usize, usize)> {
    let together = match (wanted, found) {
        (Some(wanted), Some(found)) if wanted == found => Some((0, 1, 1)),
        (Some(wanted), Some(found)) if wanted.0 == found.0 => Some((1, 1, 1)),
        _ => None,
    };
    together.into_iter().chain(wanted.map(|_| (2, 1, 0))).chain(found.map(|_| (2, 0, 1)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Comparison, Message, differences};

    fn message(name: &str, amount: u32) -> Message {
        (name.to_owned(), json!({ "amount": amount, "lines": [{ "at": amount }] }))
    }

    #[test]
    fn one_message_too_many_does_not_make_those_behind_it_differ() {
        let expected = [message("a", 1), message("b", 2), message("c", 3)];
        let actual = [message("x", 9), message("a", 1), message("b", 5), message("c", 3)];
        let told = differences(&expected, &actual);
        let wanted = [
            "x (number 1) was not expected",
            "b (number 3)",
            "  amount: expected 2, was 5",
            "  lines[0].at: expected 2, was 5",
        ];
        assert_eq!(told, wanted);
        assert_eq!(differences(&[message("a", 1)], &[]), ["a (number 1 of those expected) is missing"]);
    }

    #[test]
    fn ignored_fields_are_left_out_also_inside_lists() {
        let mut comparison = Comparison::default();
        comparison.ignore("lines.at");
        comparison.ignore("nowhere.at");
        assert_eq!(comparison.cleared(message("a", 1).1), json!({ "amount": 1, "lines": [{}] }));
    }
}

//! What `{:#?}` prints, taken apart by its lines: each opens a part, closes one, or is a field.

use super::{Fields, field};

/// A part that is open.
struct Part {
    path: String,
    /// Elements so far that have no name.
    elements: usize,
    /// Whether its entries have names.
    braces: bool,
}

pub(super) fn fields(text: &str) -> Fields {
    let mut fields = Fields::new();
    let mut open: Vec<Part> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_suffix(',').unwrap_or(line);
        if matches!(line, "}" | "]" | ")") {
            open.pop();
            continue;
        }
        let (path, value) = match open.last_mut() {
            None => (String::new(), line),
            Some(part) => part.entry(line),
        };
        match opened(value) {
            Some((head, bracket)) => {
                fields.push((path.clone(), shown(head, bracket)));
                open.push(Part { path, elements: 0, braces: bracket == '{' });
            }
            None => fields.push((path, value.to_owned())),
        }
    }
    fields
}

impl Part {
    /// Path and value of the entry that begins with `line`.
    fn entry<'a>(&mut self, line: &'a str) -> (String, &'a str) {
        let named = if self.braces { split(line) } else { None };
        match named {
            Some((name, value)) if name.starts_with('"') => (format!("{}[{name}]", self.path), value),
            Some((name, value)) => (field(&self.path, name), value),
            None => {
                self.elements += 1;
                (format!("{}[{}]", self.path, self.elements - 1), line)
            }
        }
    }
}

/// Name and value of `name: value`, where the name may be a text.
fn split(line: &str) -> Option<(&str, &str)> {
    let name = if line.starts_with('"') { text_end(line)? } else { line.find(": ")? };
    Some((line.get(..name)?, line.get(name..)?.strip_prefix(": ")?))
}

/// Where the text ends that `line` begins with.
fn text_end(line: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in line.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return Some(index + 1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Name and bracket of the part that `value` opens.
fn opened(value: &str) -> Option<(&str, char)> {
    let bracket = value.chars().last().filter(|bracket| matches!(bracket, '{' | '[' | '('))?;
    Some((value.get(..value.len() - 1)?.trim_end(), bracket))
}

fn shown(head: &str, bracket: char) -> String {
    match (head, bracket) {
        ("", '{') => "{..}".to_owned(),
        ("", '[') => "[..]".to_owned(),
        ("", _) => "(..)".to_owned(),
        (head, _) => head.to_owned(),
    }
}

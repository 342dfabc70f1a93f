//! Numbered parameters (`?1`, `?2`) in the text of a statement.

use crate::store::error::BoxError;

/// A part of a statement's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// As it stands.
    Text(&'t str),
    /// A parameter, counted from 0.
    Parameter(usize),
}

/// The parts of `text`, in order, without its comments. What stands between quotes is never a parameter.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some(behind) = rest.strip_prefix("--") {
            rest = behind.split_once('\n').map_or("", |(_, next)| next);
        }
        if rest.is_empty() {
            return None;
        }
        if let Some((number, behind)) = parameter(rest) {
            rest = behind;
            return Some(Part::Parameter(number));
        }
        let (part, behind) = rest.split_at(plain(rest).max(1));
        rest = behind;
        Some(Part::Text(part))
    })
}

/// `text` with each parameter replaced by what `write` appends for it.
pub(super) fn replaced(
    text: &str,
    mut write: impl FnMut(&mut String, usize) -> Result<(), BoxError>,
) -> Result<String, BoxError> {
    let mut made = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Text(text) => made.push_str(text),
            Part::Parameter(number) => write(&mut made, number)?,
        }
    }
    Ok(made)
}

/// The parameter that `text` begins with, and what follows it.
fn parameter(text: &str) -> Option<(usize, &str)> {
    let behind = text.strip_prefix('?')?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let number: usize = behind[..digits].parse().ok()?;
    Some((number.checked_sub(1)?, &behind[digits..]))
}

/// How far `text` goes before the next parameter or comment.
fn plain(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'?' => return at,
            b'-' if bytes.get(at + 1) == Some(&b'-') => return at,
            b'\'' => at += 1 + bytes[at + 1..].iter().position(|byte| *byte == b'\'').unwrap_or(bytes.len() - at - 1),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Part, parts, replaced};

    #[test]
    fn comments_go_and_quoted_question_marks_stay() {
        let text = "-- ?9 is a comment\nSELECT '?1', 'it''s ?2', ?12 -- and\nFROM t WHERE a - b = ?1";
        let made = replaced(text, |made, number| {
            made.push_str(&format!("<{number}>"));
            Ok(())
        });
        assert_eq!(made.unwrap(), "SELECT '?1', 'it''s ?2', <11> FROM t WHERE a - b = <0>");
    }

    #[test]
    fn a_question_mark_without_a_number_is_text() {
        assert_eq!(parts("?").collect::<Vec<_>>(), [Part::Text("?")]);
        assert_eq!(parts("a?1").collect::<Vec<_>>(), [Part::Text("a"), Part::Parameter(0)]);
        assert_eq!(parts("'open ?1").collect::<Vec<_>>(), [Part::Text("'open ?1")]);
    }
}

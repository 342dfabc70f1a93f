//! Durations in attributes, such as `"200ms"`.

use syn::LitStr;

use crate::errors::Errors;

/// Microseconds in each unit.
const UNITS: [(&str, u64); 6] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];

/// The microseconds of a duration with its unit.
pub(crate) fn micros(text: &LitStr, errors: &mut Errors) -> Option<u64> {
    match parsed(&text.value()) {
        Some(0) => errors.at(text, "a duration here is longer than zero"),
        Some(micros) => return Some(micros),
        None => errors.at(
            text,
            "expected a whole number and its unit, `us`, `ms`, `s`, `m` for minutes, `h` or `d` for days, as in \"200ms\"",
        ),
    }
    None
}

fn parsed(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*micros)
}

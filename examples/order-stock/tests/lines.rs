//! The domain stays small, and so does what was split off from it.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::Path;

/// Lines of a folder, messages included, that are neither blank nor comments.
#[track_caller]
fn lines(folder: &str) -> u32 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 120, "too wide: {line}");
            let line = line.trim();
            lines += u32::from(!line.is_empty() && !line.starts_with("//"));
        }
    }
    lines
}

#[test]
fn the_domain_stays_under_300_lines() {
    let lines = lines("domain");
    assert!(lines < 300, "the domain has {lines} lines");
}

#[test]
fn payment_stays_under_100_lines() {
    let lines = lines("payment");
    assert!(lines < 100, "payment has {lines} lines");
}

#[test]
fn the_views_stay_under_150_lines() {
    let lines = lines("views");
    assert!(lines < 150, "the views have {lines} lines");
}

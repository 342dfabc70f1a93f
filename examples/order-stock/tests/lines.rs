//! The domain stays small.

use std::fs;
use std::path::Path;

/// Lines of the domain, messages included, that are neither blank nor comments.
#[test]
fn the_domain_stays_under_300_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 120, "too wide: {line}");
            let line = line.trim();
            lines += u32::from(!line.is_empty() && !line.starts_with("//"));
        }
    }
    assert!(lines < 300, "the domain has {lines} lines");
}

//! `cargo xtask ci`: everything that a change must pass.

use std::time::Instant;

use clap::Args;

use crate::step::{Failure, Step, in_words};
use crate::test;

/// Check formatting, lints, tests and documentation; stop at the first step that fails.
///
/// In this order: `cargo fmt --check`, `cargo clippy` with warnings as errors over everything and over each backend and each optional feature alone, every test (`cargo xtask test`, which
/// includes the doc tests), and `cargo doc` with warnings as errors.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<(), Failure> {
    let started = Instant::now();
    let mut timed = Vec::new();
    for (name, check) in CHECKS {
        let started = Instant::now();
        check().inspect_err(|_| eprintln!("\nci: stopped at step `{name}`"))?;
        timed.push(format!("{name} {}", in_words(started.elapsed())));
    }
    println!("\nci: all steps passed in {} ({})", in_words(started.elapsed()), timed.join(", "));
    Ok(())
}

type Check = fn() -> Result<(), Failure>;

/// Cheapest first, so that a small slip is told early.
const CHECKS: [(&str, Check); 5] = [
    ("formatting", || formatting().run()),
    ("lints", || lints().run()),
    ("features", || FEATURES.into_iter().try_for_each(|features| alone(features).run())),
    ("tests", test::run_all),
    ("docs", || docs().run()),
];

fn formatting() -> Step {
    Step::cargo(["fmt", "--all", "--check"])
}

fn lints() -> Step {
    Step::cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
}

/// What users may build the framework with; the default and everything are built by other steps. Features that stand in one
/// text touch no module in common, so that each is as good as alone, for the price of one call.
const FEATURES: [&str; 6] =
    ["", "postgres", "mysql", "compression,tower", "message-pack,rate-limit", "metrics,validation,proptest"];

fn alone(features: &str) -> Step {
    let features = format!("--features={features}");
    Step::cargo(["clippy", "-p", "annals", "--no-default-features", &features, "--", "-D", "warnings"])
}

fn docs() -> Step {
    Step::cargo(["doc", "--workspace", "--no-deps", "--all-features"]).with("RUSTDOCFLAGS", "-D warnings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_errors_in_lints_and_docs() {
        assert_eq!(lints().to_string(), "cargo clippy --workspace --all-targets --all-features -- -D warnings");
        let backend = "cargo clippy -p annals --no-default-features --features=mysql -- -D warnings";
        assert_eq!(alone("mysql").to_string(), backend);
        assert_eq!(docs().to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --all-features");
    }

    #[test]
    fn each_feature_of_the_framework_is_built_apart_from_the_others() {
        let manifest = include_str!("../../framework/Cargo.toml");
        let features =
            manifest.split("[features]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
        let names = features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
        // `sqlite` is the default, and `_sql` is of no use by itself.
        let mut expected: Vec<&str> = names.filter(|name| !["default", "sqlite", "_sql"].contains(name)).collect();
        let mut built: Vec<&str> =
            FEATURES.iter().flat_map(|call| call.split(',')).filter(|name| !name.is_empty()).collect();
        expected.sort_unstable();
        built.sort_unstable();
        assert_eq!(built, expected);
    }

    #[test]
    fn formatting_is_checked_and_never_changed() {
        assert_eq!(formatting().to_string(), "cargo fmt --all --check");
    }
}

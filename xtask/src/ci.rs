//! `cargo xtask ci`: everything that a change must pass.

use std::time::Instant;

use clap::Args;

use crate::step::{Failure, Step, in_words};
use crate::test;

/// Check formatting, lints, tests and documentation; stop at the first step that fails.
///
/// In this order: `cargo fmt --check`, `cargo clippy` with warnings as errors over everything and over each backend alone, every test (`cargo xtask test`, which
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

/// What users may build the framework with; the default and everything are built by other steps.
const FEATURES: [&str; 3] = ["", "postgres", "mysql"];

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
    fn formatting_is_checked_and_never_changed() {
        assert_eq!(formatting().to_string(), "cargo fmt --all --check");
    }
}

//! `cargo xtask test`: every test of the workspace.

use std::fmt;
use std::time::{Duration, Instant};

use clap::Args;

use crate::step::{Failure, Step, in_words};

/// Run every unit, integration and doc test of the workspace.
///
/// The tests use embedded stores only, so they need no server. All test programs run even if one of them fails; the
/// closing line counts the tests.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`, as in `cargo xtask test -- -p annals saga`. What follows a second `--` goes to the
    /// test programs, as in `cargo xtask test -- -- --nocapture`.
    #[arg(last = true, value_name = "ARGS")]
    passed_on: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let started = Instant::now();
    let mut summary = Summary::default();
    let outcome = step(&arguments.passed_on).run_watched(|line| summary.see(line));
    summary.elapsed = started.elapsed();
    println!("\n{summary}");
    outcome
}

/// Every test of ours, for callers that run it among other steps.
pub(crate) fn run_all() -> Result<(), Failure> {
    run(&Arguments { passed_on: Vec::new() })
}

fn step(passed_on: &[String]) -> Step {
    let all = ["test", "--no-fail-fast"].map(str::to_owned);
    // Cargo lets `--workspace` win over `--package` without a word.
    let scope = (!names_packages(passed_on)).then(|| "--workspace".to_owned());
    Step::cargo(all.into_iter().chain(scope).chain(passed_on.iter().cloned()))
}

fn names_packages(arguments: &[String]) -> bool {
    let for_cargo = arguments.iter().take_while(|argument| *argument != "--");
    for_cargo.into_iter().any(|argument| {
        argument.starts_with("--package") || (argument.starts_with("-p") && !argument.starts_with("--"))
    })
}

/// What the closing lines of all test programs add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    elapsed: Duration,
}

impl Summary {
    /// Adds a line like `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ..`; other lines change nothing.
    fn see(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else { return };
        self.programs += 1;
        for count in counts.1.split("; ") {
            let Some((number, kind)) = count.split_once(' ') else { continue };
            let number = number.parse().unwrap_or(0);
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, passed, failed, ignored, elapsed } = self;
        write!(f, "tests: {passed} passed, {failed} failed, {ignored} ignored")?;
        let programs_word = if *programs == 1 { "program" } else { "programs" };
        write!(f, " in {programs} test {programs_word}, {}", in_words(*elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(passed_on: &[&str]) -> String {
        step(&passed_on.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn without_arguments_the_whole_workspace_is_tested() {
        assert_eq!(call(&[]), "cargo test --no-fail-fast --workspace");
    }

    #[test]
    fn arguments_are_passed_on() {
        assert_eq!(call(&["saga", "--", "--exact"]), "cargo test --no-fail-fast --workspace saga -- --exact");
    }

    #[test]
    fn a_named_package_is_tested_alone() {
        assert_eq!(call(&["-p", "annals"]), "cargo test --no-fail-fast -p annals");
        assert_eq!(call(&["--package=annals"]), "cargo test --no-fail-fast --package=annals");
        assert_eq!(call(&["--profile", "x"]), "cargo test --no-fail-fast --workspace --profile x");
    }

    #[test]
    fn closing_lines_add_up() {
        let mut summary = Summary::default();
        summary.see("running 4 tests");
        summary.see("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.10s");
        summary
            .see("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s");
        summary.elapsed = Duration::from_millis(1_500);
        assert_eq!(summary.to_string(), "tests: 8 passed, 2 failed, 1 ignored in 2 test programs, 1.5 s");
    }
}

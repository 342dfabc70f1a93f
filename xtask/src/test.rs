//! `cargo xtask test`: every test of the workspace.

use std::fmt;
use std::time::{Duration, Instant};

use clap::Args;
use xtask::servers::{Kind, Server};

use crate::step::{Failure, Step, in_words};

/// Run every unit, integration and doc test of the workspace.
///
/// Starts a private PostgreSQL and a private MariaDB for the tests that need them; as root on Debian, what is not
/// installed is installed. All test programs run even if one of them fails; the closing line counts the tests. Without
/// servers, `cargo test` runs everything else.
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
    let mut step = step(&arguments.passed_on);
    // They live until the tests have ended.
    let mut servers = Vec::new();
    if !features(&arguments.passed_on).is_empty() {
        for kind in [Kind::Postgres, Kind::MariaDb] {
            let server = Server::start(kind)?;
            step = step.with(variable(kind), server.url());
            servers.push(server);
        }
    }
    let outcome = step.run_watched(|line| summary.see(line));
    summary.elapsed = started.elapsed();
    println!("\n{summary}");
    outcome
}

/// Every test of ours, for callers that run it among other steps.
pub(crate) fn run_all() -> Result<(), Failure> {
    run(&Arguments { passed_on: Vec::new() })
}

/// The environment variable that tells tests the address of a server, on which each makes a database of its own.
pub(crate) fn variable(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "ANNALS_TEST_MYSQL",
        _ => "ANNALS_TEST_POSTGRES",
    }
}

/// The packages with a feature `servers`, which holds their tests that need servers.
const WITH_SERVERS: [&str; 3] = ["annals-bench", "annals-tests", "xtask"];

fn step(passed_on: &[String]) -> Step {
    let all = ["test", "--no-fail-fast"].map(str::to_owned);
    // Cargo lets `--workspace` win over `--package` without a word.
    let scope = packages(passed_on).is_empty().then(|| "--workspace".to_owned());
    let features = features(passed_on);
    let features = (!features.is_empty()).then(|| format!("--features={}", features.join(",")));
    Step::cargo(all.into_iter().chain(scope).chain(features).chain(passed_on.iter().cloned()))
}

/// The features to turn on for the packages that will be tested.
fn features(passed_on: &[String]) -> Vec<String> {
    let named = packages(passed_on);
    let tested = |package: &str| named.is_empty() || named.contains(&package);
    WITH_SERVERS.into_iter().filter(|package| tested(package)).map(|package| format!("{package}/servers")).collect()
}

/// What `-p` and `--package` name.
fn packages(arguments: &[String]) -> Vec<&str> {
    let mut for_cargo = arguments.iter().map(String::as_str).take_while(|argument| *argument != "--");
    let mut named = Vec::new();
    while let Some(argument) = for_cargo.next() {
        let value = argument.strip_prefix("--package").or_else(|| argument.strip_prefix("-p"));
        match value {
            Some("") => named.extend(for_cargo.next()),
            Some(value) => named.push(value.trim_start_matches('=')),
            None => {}
        }
    }
    named
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
        let all = "annals-bench/servers,annals-tests/servers,xtask/servers";
        assert_eq!(call(&[]), format!("cargo test --no-fail-fast --workspace --features={all}"));
    }

    #[test]
    fn arguments_are_passed_on() {
        let call = call(&["-p", "annals", "saga", "--", "--exact"]);
        assert_eq!(call, "cargo test --no-fail-fast -p annals saga -- --exact");
    }

    #[test]
    fn a_named_package_is_tested_alone() {
        assert_eq!(call(&["-p", "annals"]), "cargo test --no-fail-fast -p annals");
        assert_eq!(call(&["--package=annals"]), "cargo test --no-fail-fast --package=annals");
        assert_eq!(call(&["-pannals"]), "cargo test --no-fail-fast -pannals");
        assert!(call(&["--profile", "x"]).starts_with("cargo test --no-fail-fast --workspace --features="));
    }

    #[test]
    fn servers_are_started_for_the_packages_that_need_them() {
        let tests = "cargo test --no-fail-fast --features=annals-tests/servers -p annals-tests store";
        assert_eq!(call(&["-p", "annals-tests", "store"]), tests);
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

//! `cargo xtask bench`: the speed of Annals beside plain SQL.

use clap::Args;

use crate::step::{Failure, Step};

/// Measure the speed against the same work in plain SQL, in a release build; starts the servers that it needs.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Passed on to the benchmark, as in `cargo xtask bench --only commands --quick`; `--help` lists what it takes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    passed_on: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    step(&arguments.passed_on).run()
}

fn step(passed_on: &[String]) -> Step {
    let fixed = ["run", "--release", "-p", "annals-bench", "--"].map(str::to_owned);
    Step::cargo(fixed.into_iter().chain(passed_on.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_to_the_benchmark() {
        let passed_on = ["--only", "replay"].map(str::to_owned);
        assert_eq!(step(&passed_on).to_string(), "cargo run --release -p annals-bench -- --only replay");
    }
}

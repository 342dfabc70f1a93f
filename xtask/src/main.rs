//! The workspace's own commands: `cargo xtask test`, `ci`, `bench` and `services`.
//!
//! Each command is a file of this crate; what they share, a program run as a step, lies in `step`.

mod bench;
mod ci;
mod services;
mod step;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of the Annals workspace. They need a Rust toolchain with a C compiler, and start what
/// servers they need by themselves.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Test(test::Arguments),
    Ci(ci::Arguments),
    Bench(bench::Arguments),
    Services(services::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Services(arguments) => services::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}

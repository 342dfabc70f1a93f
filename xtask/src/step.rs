//! One program run on behalf of a command: shown first, then run, then judged.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

/// Why a step did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The program ran and said no.
    Status { step: String, status: ExitStatus },
    /// The program could not be run, or its output not be passed on.
    Io { step: String, source: io::Error },
    /// A server that the step needs could not be had.
    Server(xtask::servers::Error),
    /// A server ended by itself.
    Ended { server: String, log: String },
}

impl From<xtask::servers::Error> for Failure {
    fn from(error: xtask::servers::Error) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    /// The exit code to pass on: the one of the program, or 1 where it has none.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Status { status, .. } => status.code(),
            Self::Io { .. } | Self::Server(_) | Self::Ended { .. } => None,
        };
        code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).map_or(ExitCode::FAILURE, Into::into)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { step, status } => write!(f, "`{step}` failed ({status})"),
            Self::Io { step, source } => write!(f, "`{step}` could not be run: {source}"),
            Self::Server(error) => write!(f, "{error}"),
            Self::Ended { server, log } => write!(f, "{server} has ended by itself; the end of its log:\n{log}"),
        }
    }
}

/// A call of cargo in the workspace's root.
#[derive(Debug)]
pub(crate) struct Step {
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Step {
    /// `cargo ARGUMENTS`.
    pub(crate) fn cargo<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self { arguments: arguments.into_iter().map(Into::into).collect(), variables: Vec::new() }
    }

    /// The same call with an environment variable set.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs the program with our own input and output.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.announce();
        let status = self.command().status().map_err(|source| self.io(source))?;
        self.judge(status)
    }

    /// Runs the program, passing on each line of its standard output after showing it to `see`.
    pub(crate) fn run_watched(&self, mut see: impl FnMut(&str)) -> Result<(), Failure> {
        self.announce();
        let mut child = self.command().stdout(Stdio::piped()).spawn().map_err(|source| self.io(source))?;
        let passed_on = child.stdout.take().map_or(Ok(()), |output| pass_on(output, io::stdout(), &mut see));
        let status = child.wait().map_err(|source| self.io(source))?;
        passed_on.map_err(|source| self.io(source))?;
        self.judge(status)
    }

    fn announce(&self) {
        eprintln!("\n==> {self}");
    }

    fn command(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace());
        // `cargo run` describes this package to us; a nested cargo must not take that for its own surroundings.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn judge(&self, status: ExitStatus) -> Result<(), Failure> {
        if status.success() { Ok(()) } else { Err(Failure::Status { step: self.to_string(), status }) }
    }

    fn io(&self, source: io::Error) -> Failure {
        Failure::Io { step: self.to_string(), source }
    }
}

/// The call as one would type it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str("cargo")?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Copies `output` line by line. Bytes that are no text are passed on as they are.
fn pass_on(output: impl io::Read, mut to: impl Write, see: &mut impl FnMut(&str)) -> io::Result<()> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    to.flush()
}

/// A duration for people: `4.2 s`, `3 min 07 s`.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// The root of the workspace, from whatever folder we were called.
fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_as_one_would_type_it() {
        let step = Step::cargo(["doc", "it's"]).with("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(step.to_string(), r"RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s'");
    }

    #[test]
    fn a_step_that_fails_passes_its_exit_code_on() {
        let step = Step::cargo(["no-such-command"]);
        let status = step.command().output().expect("cargo runs").status;
        let failure = step.judge(status).expect_err("cargo has no such command");
        assert!(failure.to_string().starts_with("`cargo no-such-command` failed"), "{failure}");
        assert_eq!(failure.exit_code(), ExitCode::from(101));
    }

    #[test]
    fn each_line_is_passed_on_as_it_is_and_seen_as_text() {
        let (mut copy, mut seen) = (Vec::new(), Vec::new());
        let output = b"one\ntwo \xff\nlast without an end";
        pass_on(output.as_slice(), &mut copy, &mut |line| seen.push(line.to_owned())).expect("memory takes everything");
        assert_eq!(copy, output);
        assert_eq!(seen, ["one", "two \u{fffd}", "last without an end"]);
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!(in_words(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(in_words(Duration::from_secs(187)), "3 min 07 s");
    }

    #[test]
    fn the_workspace_is_the_folder_with_the_lock_file() {
        assert!(workspace().join("Cargo.lock").is_file());
    }
}

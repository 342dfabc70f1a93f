//! Signals, and the processes that a server has started.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `holds` gives something, or `limit` has passed.
pub(crate) fn poll<T>(
    limit: Duration,
    mut holds: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = holds()? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Runs `command` to its end, with nothing to read.
pub(crate) fn output(command: &mut Command) -> Result<Output, Error> {
    let call = call(command);
    command.stdin(Stdio::null()).current_dir("/").output().map_err(Error::io(format!("`{call}` could not be run")))
}

/// Runs `command` to its end and wants it to succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<Output, Error> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    Err(Error::Program { call: call(command), output: said })
}

/// The call as one would type it.
fn call(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Sends `signal` (`KILL`, `STOP`, ..) to each of `processes`; those that are gone do not matter.
pub(crate) fn signal(signal: &str, processes: &[u32]) -> Result<(), Error> {
    // The standard library has no call for it, and the shell's own `kill` is there even where the program is not.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"signal=$1; shift; kill -s "$signal" "$@" 2>/dev/null"#, "kill", signal]);
    output(shell.args(processes.iter().map(u32::to_string))).map(|_| ())
}

/// The living processes whose parent is `parent`. Empty where the system has no `/proc`.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| state(*process).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// Whether the process is still at work: not gone, and not merely waiting for somebody to note its end.
pub(crate) fn is_alive(process: u32) -> bool {
    state(process).is_some_and(|(letter, _)| letter != 'Z')
}

/// State and parent of a process.
fn state(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything, so the last `)` ends it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_child_is_no_longer_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("every Unix has sleep");
        assert!(children(std::process::id()).contains(&child.id()));
        assert!(is_alive(child.id()));
        signal("KILL", &[child.id()]).expect("our own child");
        let gone = poll(Duration::from_secs(10), || Ok((!is_alive(child.id())).then_some(())));
        assert!(matches!(gone, Ok(Some(()))));
        child.wait().expect("our own child");
    }

    #[test]
    fn a_program_that_fails_is_named_with_what_it_said() {
        let failure = succeed(Command::new("sh").args(["-c", "echo no; exit 3"])).expect_err("it exits with 3");
        assert_eq!(failure.to_string(), "`sh -c echo no; exit 3` failed:\nno\n");
    }
}

//! Cleans up after a process that ends without saying so.
//!
//! A shell reads the number of the server's process from a pipe whose other end only we hold. The pipe ends when we do,
//! by return, panic, signal or `kill -9`, and then the shell stops the server and removes its folder. It has a process
//! group of its own, so that Ctrl-C in a terminal does not end it first.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Error;

/// Arguments: the folder, and the signal that stops the server at once. Each line is a process; an empty one means none.
const SCRIPT: &str = r#"
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -s CONT "$pid"
  kill -s "$2" "$pid"
  tries=0
  while kill -s 0 "$pid" && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL "$pid"
fi
rm -rf -- "$1"
"#;

/// Removes a server's folder, and stops the server before if it still runs, when dropped or when this process ends.
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
}

impl Guardian {
    pub(crate) fn over(folder: &Path, signal: &str) -> Result<Self, Error> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "guardian"]).arg(folder).arg(signal).current_dir("/").process_group(0);
        // It must hold no end of a pipe of ours: somebody may wait for that to end.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { shell: shell.spawn().map_err(Error::io("`sh` could not be run"))? })
    }

    /// Tells which process to stop, or that there is none: a number that somebody else may have by then is not kept.
    pub(crate) fn watch(&mut self, process: Option<u32>) -> Result<(), Error> {
        let Some(pipe) = &mut self.shell.stdin else { return Ok(()) };
        let line = process.map(|process| process.to_string()).unwrap_or_default();
        writeln!(pipe, "{line}").map_err(Error::io("the process that cleans up after servers does not listen"))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

//! Where the figures were taken: without it they mean nothing.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::Error;
use crate::database::{filesystem, flush_ms};

/// The machine, as far as it tells.
#[derive(Debug)]
pub(crate) struct Machine {
    system: String,
    cores: usize,
    processor: Option<String>,
    memory_gib: Option<f64>,
    /// Load average over a minute, at the start: what else was going on.
    load: Option<String>,
    filesystem: Option<String>,
    /// See [`flush_ms`], at the start.
    flush_ms: f64,
}

impl Machine {
    /// Looks around; `folder` is where the databases will lie.
    pub(crate) fn describe(folder: &Path) -> Result<Self, Error> {
        let read = |file: &str| fs::read_to_string(file).ok();
        Ok(Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism()?.get(),
            processor: read("/proc/cpuinfo").and_then(|text| processor(&text)),
            memory_gib: read("/proc/meminfo").and_then(|text| kib(&text, "MemTotal:")).map(|kib| kib / 1024.0 / 1024.0),
            load: load(),
            filesystem: filesystem(folder),
            flush_ms: flush_ms(folder)?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores", self.system, self.cores)?;
        if let Some(processor) = &self.processor {
            write!(f, " ({processor})")?;
        }
        if let Some(memory) = self.memory_gib {
            write!(f, ", {memory:.0} GiB")?;
        }
        if let Some(filesystem) = &self.filesystem {
            write!(f, ", {filesystem}")?;
        }
        write!(f, ", flush to disk {:.2} ms", self.flush_ms)?;
        if let Some(load) = &self.load {
            write!(f, ", load {load} at the start")?;
        }
        Ok(())
    }
}

/// The load average over a minute, where the system tells.
pub(crate) fn load() -> Option<String> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next().map(str::to_owned)
}

/// Memory that this process holds at the moment, in MiB; 0 where the system does not tell.
pub(crate) fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib(&status, "VmRSS:").unwrap_or(0.0) / 1024.0
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The number of KiB after `label`.
fn kib(text: &str, label: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_once() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast 9000\nprocessor\t: 1\nmodel name\t: Fast 9000\n";
        assert_eq!(processor(cpuinfo).as_deref(), Some("Fast 9000"));
    }

    #[test]
    fn sizes_are_found_by_their_label() {
        assert_eq!(kib("MemTotal:       24684084 kB\nMemFree: 1 kB\n", "MemTotal:"), Some(24_684_084.0));
        assert_eq!(kib("nothing", "MemTotal:"), None);
    }
}

//! Where the figures were taken: without it they mean nothing.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::Error;

/// The machine, as far as it tells.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    system: String,
    cores: usize,
    processor: Option<String>,
    filesystem: Option<String>,
    /// See [`flush_ms`], at the start.
    flush_ms: f64,
}

impl Machine {
    /// Looks around; `folder` is where the databases will lie.
    pub(crate) fn describe(folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism()?.get(),
            processor: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor(&text)),
            filesystem: fs::read_to_string("/proc/mounts").ok().and_then(|text| filesystem(&text, folder)),
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
        if let Some(filesystem) = &self.filesystem {
            write!(f, ", {filesystem}")?;
        }
        write!(f, ", flush to disk {:.2} ms", self.flush_ms)
    }
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The kind of the filesystem that `folder` lies on: the mount with the longest path above it, the last one of equals.
fn filesystem(mounts: &str, folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.nth(1)?, words.next()?))
    });
    let above = mounts.filter(|(path, _)| folder.starts_with(path));
    above.max_by_key(|(path, _)| path.len()).map(|(_, kind)| kind.to_owned())
}

/// Median time to flush a small write to the disk, in milliseconds: what a durable commit costs at least.
pub(crate) fn flush_ms(folder: &Path) -> Result<f64, Error> {
    let mut file = File::create(folder.join("flush"))?;
    let mut times = Vec::new();
    for _ in 0..101 {
        file.write_all(&[0; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_names_the_filesystem() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /nowhere tmpfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/")).as_deref(), Some("ext4"));
    }

    #[test]
    fn the_processor_is_named_once() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast 9000\nprocessor\t: 1\nmodel name\t: Fast 9000\n";
        assert_eq!(processor(cpuinfo).as_deref(), Some("Fast 9000"));
    }
}

//! The disk that the databases lie on.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Error;

/// The system's folder for temporary files, unless that is memory, where a durable commit costs nothing: then the one
/// whose files outlive a restart.
pub(super) fn temporary_files() -> PathBuf {
    let usual = std::env::temp_dir();
    let lasting = PathBuf::from("/var/tmp");
    let in_memory = filesystem(&usual).is_some_and(|kind| kind == "tmpfs" || kind == "ramfs");
    if in_memory && lasting.is_dir() { lasting } else { usual }
}

/// The kind of the filesystem that `folder` lies on, where the system tells.
pub(crate) fn filesystem(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    nearest(&mounts, &folder.canonicalize().ok()?)
}

/// The mount with the longest path above `folder`, the last one of equals.
fn nearest(mounts: &str, folder: &Path) -> Option<String> {
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
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(nearest(mounts, Path::new("/tmp/x")).as_deref(), Some("tmpfs"));
        assert_eq!(nearest(mounts, Path::new("/tmpx")).as_deref(), Some("ext4"));
    }
}

//! The programs of a server: found, or installed where that is possible.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Error, process};

/// Folders that are often missing from the path of people who are not root, but hold servers.
const MORE_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// What to look for, and what to install if it is not there.
pub(crate) struct Package {
    pub(crate) program: &'static str,
    /// Debian's name for it.
    pub(crate) name: &'static str,
    /// The same for people on other systems.
    pub(crate) what: &'static str,
}

impl Package {
    /// What `find` gives; where it gives nothing, root on Debian installs the package and looks again.
    pub(crate) fn find(&self, find: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, Error> {
        if let Some(found) = find() {
            return Ok(found);
        }
        if !can_install() {
            return Err(self.missing());
        }
        eprintln!("xtask: `{}` is not installed; installing Debian's package `{}`", self.program, self.name);
        let mut update = Command::new("apt-get");
        process::succeed(update.args(["-o", "DPkg::Lock::Timeout=300", "update"]))?;
        let mut install = Command::new("apt-get");
        install.args(["-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", self.name]);
        process::succeed(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
        find().ok_or_else(|| self.missing())
    }

    fn missing(&self) -> Error {
        let Self { program, name, what } = self;
        Error::Missing { program, remedy: format!("install {what}; on Debian and Ubuntu: apt-get install {name}") }
    }
}

/// The file that a shell would run for `program`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn can_install() -> bool {
    let is_root =
        || process::output(Command::new("id").arg("-u")).is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    Path::new("/etc/debian_version").exists() && on_path("apt-get").is_some() && is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_install() {
        let package = Package { program: "nowhered", name: "nowhere", what: "Nowhere 1 or newer" };
        let remedy = "install Nowhere 1 or newer; on Debian and Ubuntu: apt-get install nowhere";
        assert_eq!(package.missing().to_string(), format!("the program `nowhered` was not found; {remedy}"));
    }

    #[test]
    fn programs_are_found_as_a_shell_does() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program-anywhere"), None);
    }
}

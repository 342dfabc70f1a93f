//! What the tests of the program share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program, with nothing of the tester's environment that could change what it prints.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-stock"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "ORDER_STOCK_DB", "CARGO_PKG_NAME"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A folder with a database and files of its own.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The address of its database.
    pub(crate) fn db(&self) -> String {
        format!("sqlite://{}", self.path("orders.db").display())
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs the program on the database.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Finished {
        Finished::from(program().args(arguments).args(["--db", &self.db()]).output().unwrap())
    }

    /// Imports these two files.
    pub(crate) fn import(&self, stock: &Path, orders: &Path) -> Finished {
        self.run(["import", "--stock", stock.to_str().unwrap(), "--orders", orders.to_str().unwrap()])
    }

    /// Imports files with these rows.
    pub(crate) fn import_rows(&self, stock: &str, orders: &str) -> Finished {
        let stock = self.write("stock.csv", &format!("sku,name,quantity\n{stock}"));
        let orders = self.write("orders.csv", &format!("action,order,sku,quantity,customer\n{orders}"));
        self.import(&stock, &orders)
    }

    /// Imports files with these rows, the orders with prices.
    pub(crate) fn import_with_customers(&self, stock: &str, customers: &str, orders: &str) -> Finished {
        let stock = self.write("stock.csv", &format!("sku,name,quantity\n{stock}"));
        let customers = self.write("customers.csv", &format!("customer,balance\n{customers}"));
        let orders = self.write("orders.csv", &format!("action,order,sku,quantity,customer,price\n{orders}"));
        let [stock, customers, orders] = [&stock, &customers, &orders].map(|path| path.to_str().unwrap());
        self.run(["import", "--stock", stock, "--customers", customers, "--orders", orders])
    }
}

/// What a run of the program has left.
pub(crate) struct Finished {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("the program ends by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    /// Demands success; returns what was printed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }

    /// Demands a failure that tells all of `words`.
    #[track_caller]
    pub(crate) fn fails<const N: usize>(self, status: i32, words: [&str; N]) {
        assert_eq!(self.status, status, "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
        assert!(!self.stderr.contains('\u{1b}'), "colours: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// The line of a table or a text that has all of `words`.
#[track_caller]
pub(crate) fn line_with<'a, const N: usize>(text: &'a str, words: [&str; N]) -> &'a str {
    let found = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
    found.unwrap_or_else(|| panic!("no line has {words:?} in:\n{text}"))
}

//! What the errors of a server mean.
//!
//! Source: MySQL 8.0 Error Reference; MariaDB Server Documentation, "MariaDB Error Codes".

use std::fmt;

use sqlx::mysql::MySqlDatabaseError;

use crate::store::error::BoxError;
use crate::store::sql::{Ended, Failure};

pub(super) const DUPLICATE_ENTRY: u16 = 1062;
const DEADLOCK: u16 = 1213;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// There is no such savepoint.
const NO_SAVEPOINT: u16 = 1305;
/// A row has changed since the transaction began to read: MariaDB with `innodb_snapshot_isolation`.
const CHANGED_SINCE: u16 = 1020;
/// A trigger was to be created by a user who may not, since the server writes a binary log.
pub(super) const BINARY_LOG_AND_TRIGGER: u16 = 1419;

/// The server goes down, or has cut the connection: shutdown in progress, connection killed, session killed, cut for
/// idleness, and errors of the network between.
const LOST: [u16; 10] = [1053, 1077, 1152, 1158, 1159, 1160, 1161, 1927, 3169, 4031];

/// Disk full, and table full: a tablespace that may not grow.
const FULL: [u16; 2] = [1021, 1114];

/// Errors of files and of the storage engine, which name the number that the operating system gave.
const OF_THE_SYSTEM: [u16; 3] = [1026, 1030, 1180];

/// Read-only table, read-only transaction, read-only mode, and InnoDB in read-only mode.
const READ_ONLY: [u16; 4] = [1036, 1792, 1836, 1874];

/// An option of the server forbids the statement: `read_only` is one of several.
const OPTION_FORBIDS: u16 = 1290;

/// Values that a table does not take: null, duplicate, packet too large, row too large, out of range, truncated, not in the
/// character set, too long, refused by a trigger, and refused by a check (MySQL, MariaDB).
const ROWS_AT_FAULT: [u16; 12] = [1048, DUPLICATE_ENTRY, 1118, 1153, 1264, 1265, 1301, 1366, 1406, 1644, 3819, 4025];

/// The server's number of `error`.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// Whether the connection is of no further use.
fn is_lost(error: &sqlx::Error) -> bool {
    match number(error) {
        Some(number) => LOST.contains(&number),
        None => !matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed),
    }
}

/// Whether the connection broke, so that another one may do.
pub(super) fn is_broken(error: &BoxError) -> bool {
    error.downcast_ref::<sqlx::Error>().is_some_and(is_lost)
}

/// Whether the connection broke, or was given up since nothing came over it.
pub(super) fn loses_connection(error: &BoxError) -> bool {
    is_broken(error) || error.is::<super::session::NoAnswer>()
}

/// Whether the server gave up a transaction because of others, so that the same one may go through now.
pub(super) fn is_deadlock(error: &BoxError) -> bool {
    error.downcast_ref::<sqlx::Error>().and_then(number) == Some(DEADLOCK)
}

/// Whether a row has a key that is there already.
pub(super) fn is_duplicate(error: &BoxError) -> bool {
    error.downcast_ref::<sqlx::Error>().and_then(number) == Some(DUPLICATE_ENTRY)
}

/// `error` of a transaction that was joined, explained where it is the savepoint of its beginning that is gone, or rows that
/// have changed.
pub(super) fn of_joined(error: BoxError) -> BoxError {
    match error.downcast_ref().and_then(number) {
        Some(NO_SAVEPOINT) => Ended(error).into(),
        Some(CHANGED_SINCE) => Stale(error).into(),
        _ => error,
    }
}

/// A transaction cannot write any more, since others have written what it has read before.
#[derive(Debug)]
pub(super) struct Stale(BoxError);

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "others have written since this transaction began to read; begin it again, best at READ COMMITTED or without \
             `innodb_snapshot_isolation`",
        )
    }
}

impl std::error::Error for Stale {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Whether the server may only be read.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    let Some(number) = number(error) else { return false };
    let text = || error.to_string();
    READ_ONLY.contains(&number)
        || (number == OPTION_FORBIDS && ["read-only", "read_only"].iter().any(|option| text().contains(option)))
}

/// A statement before the commit failed; nothing was written.
pub(super) fn of_statement(error: BoxError) -> Failure {
    let Some(database) = error.downcast_ref::<sqlx::Error>() else {
        return if error.is::<super::session::NoAnswer>() || error.is::<Stale>() {
            Failure::NotWritten(error)
        } else {
            Failure::Refused(error)
        };
    };
    match number(database) {
        _ if is_full(database) => Failure::Full(error),
        _ if is_read_only(database) => Failure::ReadOnly(error),
        Some(number) if ROWS_AT_FAULT.contains(&number) => Failure::Refused(error),
        _ => Failure::NotWritten(error),
    }
}

/// A commit failed. What the server itself has refused was rolled back; of anything else nobody knows.
pub(super) fn of_commit(error: BoxError) -> Failure {
    const ROLLED_BACK: [u16; 2] = [DEADLOCK, LOCK_WAIT_TIMEOUT];
    let Some(database) = error.downcast_ref::<sqlx::Error>() else { return Failure::Unknown(error) };
    match number(database) {
        _ if is_full(database) => Failure::Full(error),
        _ if is_read_only(database) => Failure::ReadOnly(error),
        Some(number) if ROLLED_BACK.contains(&number) => Failure::NotWritten(error),
        _ => Failure::Unknown(error),
    }
}

fn is_full(error: &sqlx::Error) -> bool {
    /// "No space left on device" and "Disk quota exceeded", as the texts of errors name them.
    const NO_SPACE: [&str; 4] = ["errno: 28 ", "error 28 ", "errno: 122 ", "error 122 "];
    let Some(number) = number(error) else { return false };
    let text = || error.to_string();
    FULL.contains(&number) || (OF_THE_SYSTEM.contains(&number) && NO_SPACE.iter().any(|space| text().contains(space)))
}

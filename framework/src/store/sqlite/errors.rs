//! What SQLite's errors mean for an append.
//!
//! Source: SQLite documentation, "Result and Error Codes".

use std::fmt;

use crate::store::error::BoxError;
use crate::store::sql::Failure;

pub(super) const SQLITE_ERROR: i32 = 1;
pub(super) const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_READONLY: i32 = 8;
const SQLITE_FULL: i32 = 13;
pub(super) const SQLITE_TOOBIG: i32 = 18;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_MISMATCH: i32 = 20;
/// Others have written since the transaction began to read: an extended result code.
const SQLITE_BUSY_SNAPSHOT: i32 = 517;

/// SQLite's primary result code of `error`.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    extended(error).map(|extended| extended & 0xff)
}

fn extended(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Somebody else writes, or has written.
#[derive(Debug)]
pub(super) struct Busy {
    stale: bool,
    source: BoxError,
}

impl Busy {
    /// `error`, explained where it is one of these.
    pub(super) fn explained(error: BoxError) -> BoxError {
        let Some(database) = error.downcast_ref::<sqlx::Error>() else { return error };
        let stale = extended(database) == Some(SQLITE_BUSY_SNAPSHOT);
        if code(database) == Some(SQLITE_BUSY) { Box::new(Self { stale, source: error }) } else { error }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stale {
            true => {
                "others have written since this transaction began to read, so it can no longer write; begin it again, best \
                 with `BEGIN IMMEDIATE`"
            }
            false => "somebody else writes for longer than this connection waits (`busy_timeout`); try again",
        })
    }
}

impl std::error::Error for Busy {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// A statement before the commit failed. The rows are at fault, so that other appends of the batch may still be written,
/// where SQLite says so, and where an answer cannot be read back.
pub(super) fn of_statement(error: BoxError) -> Failure {
    const ROWS_AT_FAULT: [i32; 4] = [SQLITE_ERROR, SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH];
    let Some(database) = error.downcast_ref::<sqlx::Error>() else {
        return if error.is::<Busy>() { Failure::NotWritten(error) } else { Failure::Refused(error) };
    };
    match code(database) {
        Some(SQLITE_FULL) => Failure::Full(error),
        Some(SQLITE_READONLY) => Failure::ReadOnly(error),
        Some(code) if ROWS_AT_FAULT.contains(&code) => Failure::Refused(error),
        _ => Failure::NotWritten(error),
    }
}

/// The last statements of a transaction failed, the commit among them. What [`of_statement`] and [`of_commit`] are sure
/// about, this is; anything else, such as a failed flush, leaves the outcome open.
pub(super) fn of_last_statements(error: BoxError) -> Failure {
    match error.downcast::<sqlx::Error>() {
        Ok(error) => match (code(&error), of_commit(*error)) {
            (Some(SQLITE_ERROR | SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH), failure) => match failure {
                Failure::NotWritten(error) | Failure::Unknown(error) => Failure::Refused(error),
                failure => failure,
            },
            (Some(SQLITE_READONLY), Failure::Unknown(error)) => Failure::ReadOnly(error),
            (_, failure) => failure,
        },
        // No answer of SQLite: what was to be written could not be handed over.
        Err(error) => Failure::Refused(error),
    }
}

/// A commit failed. It is sure to have left nothing behind if the database was busy or locked, the disk was full (the
/// commit record is the last thing written), or a constraint was broken. A failed flush is none of these: the record
/// may be on the disk, and a restart would find it.
pub(super) fn of_commit(error: sqlx::Error) -> Failure {
    match code(&error) {
        Some(SQLITE_FULL) => Failure::Full(error.into()),
        Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_CONSTRAINT) => Failure::NotWritten(error.into()),
        _ => Failure::Unknown(error.into()),
    }
}

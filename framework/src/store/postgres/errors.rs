//! What PostgreSQL's errors mean.
//!
//! Source: PostgreSQL manual, appendix "PostgreSQL Error Codes".

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::error::BoxError;
use crate::store::sql::Failure;

/// What an error says about the statement that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The connection is gone. Whether the statement was carried out is not known.
    Lost,
    /// The statement was not carried out: its rows are at fault.
    Refused,
    /// It was not carried out, since there is no room left.
    Full,
    /// It was not carried out, since the server only reads.
    ReadOnly,
    /// It was not carried out, for another reason, which may pass.
    NotNow,
}

/// What `error` means.
pub(super) fn meaning(error: &sqlx::Error) -> Meaning {
    let Some(database) = error.as_database_error() else {
        return match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => Meaning::Refused,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Configuration(_) => Meaning::NotNow,
            _ => Meaning::Lost,
        };
    };
    // The server ends the session with an error of these severities, perhaps between a commit and its acknowledgement.
    let severity = database.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    if matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic)) {
        return Meaning::Lost;
    }
    let code = database.code().unwrap_or_default();
    match code.as_ref() {
        "53100" => Meaning::Full,
        "25006" => Meaning::ReadOnly,
        // A document that has moved, as our own functions report it.
        "AN001" => Meaning::Refused,
        code => match code.get(..2) {
            Some("08") => Meaning::Lost,
            Some("21" | "22" | "23" | "2F" | "42" | "54" | "P0") => Meaning::Refused,
            _ => Meaning::NotNow,
        },
    }
}

/// Whether a value was to become larger than the server can hold.
pub(super) fn is_too_large(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.starts_with("54"))
}

/// Whether a savepoint is not there, since its transaction is not.
pub(super) fn is_of_no_transaction(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("25P01" | "3B001"))
}

/// What a boxed `error` means; one that is not the driver's says that an answer cannot be understood.
pub(super) fn boxed(error: &BoxError) -> Meaning {
    error.downcast_ref().map_or(Meaning::Refused, meaning)
}

/// Whether trying to connect again may help, after `error` of a connection attempt.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => false,
        _ => match error.as_database_error().and_then(|error| error.code()).as_deref() {
            // Wrong password, no such database, no permission.
            Some(code) => !(code.starts_with("28") || code == "3D000" || code == "42501"),
            None => true,
        },
    }
}

/// A statement before the commit failed.
pub(super) fn of_statement(error: BoxError) -> Failure {
    match boxed(&error) {
        Meaning::Refused => Failure::Refused(error),
        Meaning::Full => Failure::Full(error),
        Meaning::ReadOnly => Failure::ReadOnly(error),
        Meaning::Lost | Meaning::NotNow => Failure::NotWritten(error),
    }
}

/// A commit failed. The server rolls back whatever it reports as an error.
pub(super) fn of_commit(error: BoxError) -> Failure {
    match boxed(&error) {
        Meaning::Lost => Failure::Unknown(error),
        Meaning::Full => Failure::Full(error),
        _ => Failure::NotWritten(error),
    }
}

//! What databases say of transactions that were in each other's way.

use std::error::Error;

use crate::handler::error::causes;

/// The SQLSTATEs of a transaction that was ended in favour of another: it could not be put in an order with it, or each of
/// the two waited for the other.
///
/// Source: ISO/IEC 9075 class 40; PostgreSQL, appendix "Error Codes"; MariaDB gives its deadlocks the first one.
const LOST: [&str; 2] = ["40001", "40P01"];

/// Whether `error` or one of its causes says so.
pub(super) fn has_lost(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|error| error.downcast_ref::<sqlx::Error>()?.as_database_error()?.code())
        .any(|code| LOST.contains(&code.as_ref()))
}

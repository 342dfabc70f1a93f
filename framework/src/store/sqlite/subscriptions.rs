//! SQLite's dialect of subscriptions.

use crate::store::sql::SubscriptionSql;

pub(super) const SUBSCRIPTIONS: SubscriptionSql = SubscriptionSql {
    // To the millisecond.
    now: "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000",
    // A transaction has the file to itself.
    for_update: "",
    add: include_str!("sql/subscriptions/add.sql"),
    put: include_str!("sql/subscriptions/put.sql"),
    take_away: include_str!("sql/subscriptions/take_away.sql"),
    tags: include_str!("sql/subscriptions/tags.sql"),
};

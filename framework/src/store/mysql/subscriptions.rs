//! The dialect of MySQL and MariaDB for subscriptions.

use crate::store::sql::SubscriptionSql;

pub(super) const SUBSCRIPTIONS: SubscriptionSql = SubscriptionSql {
    // In UTC: an hour of local time may come twice.
    now: "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
    for_update: "FOR UPDATE",
    add: include_str!("sql/subscriptions/add.sql"),
    put: include_str!("sql/subscriptions/put.sql"),
    take_away: include_str!("sql/subscriptions/take_away.sql"),
    tags: include_str!("sql/subscriptions/tags.sql"),
};

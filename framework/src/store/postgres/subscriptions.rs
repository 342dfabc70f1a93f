//! PostgreSQL's dialect of subscriptions.

use crate::store::sql::SubscriptionSql;

pub(super) const SUBSCRIPTIONS: SubscriptionSql = SubscriptionSql {
    now: "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    for_update: "FOR UPDATE",
    add: include_str!("sql/subscriptions/add.sql"),
    put: include_str!("sql/subscriptions/put.sql"),
    take_away: include_str!("sql/subscriptions/take_away.sql"),
    tags: include_str!("sql/subscriptions/tags.sql"),
};

//! Plain SQL has the tables of Annals: otherwise the comparison would say nothing.

use super::Access;
use crate::annals::Accounts;
use crate::database::{Database, Databases, Route};

/// A line for each column, and one for each index. `TABLE` stands for a table's name.
fn description(database: Database) -> &'static str {
    match database {
        Database::Memory => "",
        Database::Sqlite => {
            "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || pk FROM pragma_table_info('TABLE') UNION ALL \
             SELECT 'index ' || list.\"unique\" || ' (' || (SELECT group_concat(name, ', ' ORDER BY seqno) \
             FROM pragma_index_info(list.name)) || ')' FROM pragma_index_list('TABLE') AS list ORDER BY 1"
        }
        Database::Postgres => {
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || attnum \
             FROM pg_attribute WHERE attrelid = 'TABLE'::regclass AND attnum > 0 UNION ALL \
             SELECT regexp_replace(pg_get_indexdef(indexrelid), ' INDEX .* USING', '') \
             FROM pg_index WHERE indrelid = 'TABLE'::regclass ORDER BY 1"
        }
        Database::Mariadb => {
            "SELECT CAST(concat_ws(' ', column_name, column_type, is_nullable, ordinal_position) AS CHAR) \
             FROM information_schema.columns WHERE table_schema = database() AND table_name = 'TABLE' UNION ALL \
             SELECT CAST(concat('index ', non_unique, ' (', group_concat(column_name ORDER BY seq_in_index), ')') AS CHAR) \
             FROM information_schema.statistics WHERE table_schema = database() AND table_name = 'TABLE' \
             GROUP BY index_name, non_unique ORDER BY 1"
        }
    }
}

async fn check(database: Database) {
    let databases = Databases::start(&[database], None, Route::Socket).unwrap();
    let home = databases.fresh(database).await.unwrap();
    Accounts::open(&home.url).await.unwrap().close().await.unwrap();
    super::open(&home, Access::Shared).await.unwrap().close().await;
    for (ours, plain) in [("annals_events", "events"), ("annals_tags", "tags")] {
        let mut described = Vec::new();
        for table in [ours, plain] {
            let lines = home.texts(description(database).replace("TABLE", table)).await.unwrap();
            assert!(lines.len() > 3, "{lines:?}");
            described.push(lines);
        }
        assert_eq!(described[0], described[1]);
    }
}

#[tokio::test]
async fn the_tables_of_plain_sql_are_those_of_annals_on_sqlite() {
    check(Database::Sqlite).await;
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn the_tables_of_plain_sql_are_those_of_annals_on_postgres() {
    check(Database::Postgres).await;
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn the_tables_of_plain_sql_are_those_of_annals_on_mariadb() {
    check(Database::Mariadb).await;
}

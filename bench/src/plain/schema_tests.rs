//! Plain SQL has the tables of Annals: otherwise the comparison would say nothing.

use std::str::FromStr;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, Row};

use super::Access;
use crate::annals::Accounts;
use crate::database::{Database, Databases, Route};

/// What is compared, as a line for each column and each column of an index. `TABLE` stands for a table's name.
const SQLITE: &str = "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || pk FROM pragma_table_info('TABLE') UNION ALL \
    SELECT 'index ' || list.\"unique\" || ' (' || (SELECT group_concat(name, ', ' ORDER BY seqno) \
    FROM pragma_index_info(list.name)) || ')' FROM pragma_index_list('TABLE') AS list ORDER BY 1";

#[tokio::test]
async fn the_tables_of_plain_sql_are_those_of_annals_on_sqlite() {
    let databases = Databases::start(&[], None, Route::Socket).unwrap();
    let home = databases.fresh(Database::Sqlite).await.unwrap();
    Accounts::open(&home.url).await.unwrap().close().await.unwrap();
    super::open(&home, Access::Shared).await.unwrap().close().await;

    let mut connection = SqliteConnectOptions::from_str(&home.url).unwrap().connect().await.unwrap();
    for (ours, plain) in [("annals_events", "events"), ("annals_tags", "tags")] {
        let mut described = Vec::new();
        for table in [ours, plain] {
            let query = sqlx::raw_sql(sqlx::AssertSqlSafe(SQLITE.replace("TABLE", table)));
            let rows = connection.fetch_all(query).await.unwrap();
            described.push(rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>());
        }
        assert!(described[0].len() > 3, "{described:?}");
        assert_eq!(described[0], described[1]);
    }
}

//! Every database does the same.

use std::sync::Arc;

use super::*;
use crate::database::{Databases, Route};

async fn check(database: Database) {
    let databases = Databases::start(&[database], None, Route::Socket).expect("the server starts");
    for access in [Access::Shared, Access::Pool(3)] {
        let home = databases.fresh(database).await.expect("a fresh database");
        let table = open(&home, access).await.expect("the table is made");
        writes_and_reads(&*table).await.expect("the table does its work");
        table.close().await;
        home.remove().await.expect("nobody is connected");

        let home = databases.fresh(database).await.expect("a fresh database");
        groups(open(&home, access).await.expect("the table is made")).await.expect("the group does its work");
        home.remove().await.expect("nobody is connected");
    }
}

async fn writes_and_reads(table: &dyn Table) -> Result<(), Error> {
    for number in 0..3 {
        table.deposit(&Deposit::on(7, number)).await?;
    }
    // More than one page, and a number that no single statement has.
    let rows = (0..5_000).map(|number| Row::new(&Deposit::on(8, number), i64::from(number) + 1));
    table.insert(&rows.collect::<Result<Vec<_>, _>>()?).await?;
    assert_eq!(table.count().await?, 5_003);
    let deposits = |count| (0..count).map(|number| Deposit::on(8, number).cents).sum::<u64>();
    for packing in [Packing::Rows, Packing::Pages] {
        let of_seven = table.fold(Part::Stream("account-000007"), packing).await?;
        assert_eq!(of_seven, Totals { events: 3, cents: deposits(3) }, "{packing:?}");
        let of_eight = table.fold(Part::Stream("account-000008"), packing).await?;
        assert_eq!(of_eight, Totals { events: 5_000, cents: deposits(5_000) }, "{packing:?}");
        let all = table.fold(Part::All, packing).await?;
        assert_eq!((all.events, all.cents), (5_003, of_seven.cents + of_eight.cents), "{packing:?}");
    }
    let page = table.after(1).await?;
    assert_eq!((page.len(), page[0].0), (512, 2));

    let first = table.insert_if(&Row::new(&Deposit::on(9, 1), 1)?, "course:a", Some(0)).await?;
    assert_eq!(first, Some(5_004));
    let stale = table.insert_if(&Row::new(&Deposit::on(9, 2), 2)?, "course:a", Some(0)).await?;
    assert_eq!(stale, None);
    let again = table.insert_if(&Row::new(&Deposit::on(9, 2), 2)?, "course:a", first).await?;
    assert!(again > first);
    assert!(table.insert_if(&Row::new(&Deposit::on(9, 3), 3)?, "course:a", None).await? > again);
    assert!(table.insert_if(&Row::new(&Deposit::on(9, 4), 4)?, "course:b", Some(0)).await?.is_some());
    Ok(())
}

async fn groups(table: Arc<dyn Table>) -> Result<(), Error> {
    let group = Arc::new(Group::start(Arc::clone(&table)));
    crate::measure::each(20, 0..200_u32, |number| {
        let group = Arc::clone(&group);
        async move { group.append(vec![Row::new(&Deposit::on(number % 5, number), 0)?.tagged("a:b")]).await }
    })
    .await?;
    Arc::into_inner(group).ok_or("somebody still holds the group")?.close().await?;
    assert_eq!(table.count().await?, 200);
    assert_eq!(table.fold(Part::Stream("account-000004"), Packing::Rows).await?.events, 40);
    table.close().await;
    Ok(())
}

#[tokio::test]
async fn plain_sql_on_sqlite_does_its_work() {
    check(Database::Sqlite).await;
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn plain_sql_on_postgres_does_its_work() {
    check(Database::Postgres).await;
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn plain_sql_on_mariadb_does_its_work() {
    check(Database::Mariadb).await;
}

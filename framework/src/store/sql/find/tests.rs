//! Which indexes SQLite reads for a query.

use std::ops::Bound;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{count, page};
use crate::store::documents::{DocumentPlace, DocumentQuery, ScanDirection, ValueTest};
use crate::store::records::ViewId;
use crate::store::sqlite::DIALECT;

fn all() -> DocumentQuery {
    DocumentQuery::all(ViewId { tenant: String::new(), name: "lots".to_owned(), version: 1 }, 20)
}

fn is(value: &str) -> ValueTest {
    ValueTest::AnyOf([value.to_owned()].into())
}

fn from(value: &str) -> ValueTest {
    ValueTest::Range(Bound::Included(value.to_owned()), Bound::Unbounded)
}

/// The steps of SQLite's plan.
#[expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
async fn plan(text: &str) -> Vec<String> {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let schema = include_str!("../../sqlite/migrations/0001_events_and_records.sql");
    sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
    explain.fetch_all(&mut connection).await.unwrap().iter().map(|step| step.get("detail")).collect()
}

const VIEW: &str = "tenant=? AND view=? AND view_version=?";

#[tokio::test]
async fn an_equality_drives_before_anything_else_and_gives_the_order_of_keys() {
    let place = DocumentPlace { value: String::new(), key: "k".to_owned() };
    let query = all().filter("price", from("5")).filter("seller", is("ann")).after(place);
    let steps = plan(page(&DIALECT, &query).unwrap().text.as_str()).await;
    let entries =
        format!("SEARCH f USING PRIMARY KEY ({VIEW} AND index_name=? AND indexed_value=? AND document_key>?)");
    assert_eq!(steps[0], entries, "{steps:?}");
    assert_eq!(steps[1], format!("SEARCH d USING PRIMARY KEY ({VIEW} AND document_key=?)"), "{steps:?}");
    let others = format!(
        "USING COVERING INDEX annals_index_entries_by_document ({VIEW} AND document_key=? AND \
                          index_name=? AND indexed_value>?)"
    );
    assert!(steps[2].ends_with(&others), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")), "{steps:?}");
    let steps = plan(count(&DIALECT, &query).unwrap().text.as_str()).await;
    assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{steps:?}");
}

#[tokio::test]
async fn the_index_of_an_order_needs_no_sorting() {
    for direction in [ScanDirection::Ascending, ScanDirection::Descending] {
        let place = DocumentPlace { value: "7".to_owned(), key: "k".to_owned() };
        let query = all().filter("label", from("r")).order_by("price", direction).after(place);
        let steps = plan(page(&DIALECT, &query).unwrap().text.as_str()).await;
        assert!(
            steps[0].starts_with(&format!("SEARCH o USING PRIMARY KEY ({VIEW} AND index_name=? AND indexed_value"))
        );
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")), "{steps:?}");
    }
}

#[tokio::test]
async fn no_filter_reads_the_whole_view() {
    let listed = ValueTest::AnyOf(["a".to_owned(), "b".to_owned(), "c".to_owned()].into());
    for query in [
        all().filter("price", from("5")),
        all().filter("seller", listed),
        all().filter("seller", is("ann")).order_by("price", ScanDirection::Descending),
    ] {
        let text = page(&DIALECT, &query).unwrap().text;
        let steps = plan(text.as_str()).await;
        let documents = format!("SEARCH d USING PRIMARY KEY ({VIEW} AND document_key=?)");
        assert!(steps.contains(&documents), "{steps:?}");
    }
}

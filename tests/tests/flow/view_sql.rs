//! Documents are readable in plain SQL, with the JSON functions of each database.

use annals::Annals;
use sqlx::Row;

use crate::auction::*;
use crate::given::{Lasting, PATIENCE};

async fn filled(lasting: &Lasting) -> Annals {
    let app = lasting.start(auction().include::<Lots>().include::<InlineLots>()).await;
    offer(&app, "a", "ann", 10, &["red"]).await;
    offer(&app, "b", "bob \"the\" \u{e1}", -5, &[]).await;
    offer(&app, "c", "ann", 7, &["new", "old"]).await;
    offer(&app, "gone", "ann", 7, &[]).await;
    app.send(Withdraw { lot: "gone".into() }).await.unwrap();
    app.settled(PATIENCE).await.unwrap();
    app
}

#[tokio::test]
async fn json_of_documents_is_read_in_sqlite() {
    let lasting = Lasting::file();
    let app = filled(&lasting).await;
    let pool = sqlx::SqlitePool::connect(&lasting.url()).await.unwrap();
    let total = "SELECT sum(document ->> '$.price') AS total, count(*) AS lots FROM annals_documents_json \
                 WHERE tenant = '' AND view = 'lots' AND view_version = 1 AND document ->> '$.price' > 0";
    let row = sqlx::query(total).fetch_one(&pool).await.unwrap();
    assert_eq!((row.get::<i64, _>("total"), row.get::<i64, _>("lots")), (17, 2));
    let seller =
        "SELECT json_extract(body, '$.seller') FROM annals_documents WHERE view = 'lots' AND document_key = 'b'";
    let seller: String = sqlx::query_scalar(seller).fetch_one(&pool).await.unwrap();
    assert_eq!(seller, "bob \"the\" \u{e1}");
    let all = "SELECT DISTINCT view FROM annals_documents_json ORDER BY view";
    assert_eq!(sqlx::query_scalar::<_, String>(all).fetch_all(&pool).await.unwrap(), ["lots", "lots-inline"]);
    pool.close().await;
    app.shutdown().await.unwrap();
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn json_of_documents_is_read_in_postgres() {
    let lasting = Lasting::Server(annals_tests::servers::Server::Postgres, Default::default());
    let app = filled(&lasting).await;
    let pool = sqlx::PgPool::connect(&lasting.url()).await.unwrap();
    let total = "SELECT sum((document ->> 'price')::bigint)::bigint AS total, count(*) AS lots \
                 FROM annals_documents_json \
                 WHERE tenant = '' AND view = 'lots' AND view_version = 1 AND (document ->> 'price')::bigint > 0";
    let row = sqlx::query(total).fetch_one(&pool).await.unwrap();
    assert_eq!((row.get::<i64, _>("total"), row.get::<i64, _>("lots")), (17, 2));
    let labelled = "SELECT document ->> 'seller' FROM annals_documents_json \
                    WHERE view = 'lots' AND document @> '{\"labels\": [\"old\"]}'";
    assert_eq!(sqlx::query_scalar::<_, String>(labelled).fetch_all(&pool).await.unwrap(), ["ann"]);
    let all = "SELECT DISTINCT view FROM annals_documents_json ORDER BY view";
    assert_eq!(sqlx::query_scalar::<_, String>(all).fetch_all(&pool).await.unwrap(), ["lots", "lots-inline"]);
    pool.close().await;
    app.shutdown().await.unwrap();
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn json_of_documents_is_read_in_mysql() {
    let lasting = Lasting::Server(annals_tests::servers::Server::MySql, Default::default());
    let app = filled(&lasting).await;
    let pool = sqlx::MySqlPool::connect(&lasting.url()).await.unwrap();
    let total = "SELECT CAST(SUM(JSON_VALUE(document, '$.price')) AS SIGNED) AS total, COUNT(*) AS lots \
                 FROM annals_documents_json \
                 WHERE tenant = '' AND view = 'lots' AND view_version = 1 AND JSON_VALUE(document, '$.price') > 0";
    let row = sqlx::query(total).fetch_one(&pool).await.unwrap();
    assert_eq!((row.get::<i64, _>("total"), row.get::<i64, _>("lots")), (17, 2));
    let seller = "SELECT JSON_UNQUOTE(JSON_EXTRACT(document, '$.seller')) FROM annals_documents_json \
                  WHERE view = 'lots' AND document_key = 'b'";
    assert_eq!(sqlx::query_scalar::<_, String>(seller).fetch_one(&pool).await.unwrap(), "bob \"the\" \u{e1}");
    let all = "SELECT COUNT(DISTINCT view) FROM annals_documents_json";
    assert_eq!(sqlx::query_scalar::<_, i64>(all).fetch_one(&pool).await.unwrap(), 2);
    pool.close().await;
    app.shutdown().await.unwrap();
}

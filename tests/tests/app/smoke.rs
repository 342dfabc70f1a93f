use std::time::Duration;

use annals::Annals;
use annals_tests::orders::*;

#[tokio::test]
async fn an_order_is_approved_when_there_is_stock() {
    for url in ["memory:", "sqlite::memory:"] {
        let app = Annals::open(url).await.unwrap();
        app.send(AddStock { sku: "tea".into(), quantity: 5 }).await.unwrap();
        for order in ["o-1", "o-2"] {
            app.send(PlaceOrder { order: order.into(), sku: "tea".into(), quantity: 3 }).await.unwrap();
        }
        app.settled(Duration::from_secs(10)).await.unwrap();
        let first = app.query(FindOrder { order: "o-1".into() }).await.unwrap().unwrap();
        let second = app.query(FindOrder { order: "o-2".into() }).await.unwrap().unwrap();
        assert_eq!((first.status.as_str(), second.status.as_str()), ("approved", "rejected: only 2 left"));
        app.shutdown().await.unwrap();
    }
}

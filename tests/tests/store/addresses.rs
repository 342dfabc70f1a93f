//! What is no address of a store.

use annals::store::OpenError;

async fn refused(url: &str) -> String {
    match annals::store::open(url).await {
        Err(error @ OpenError::Address { .. }) => error.to_string(),
        Err(other) => panic!("{url}: {other:?}"),
        Ok(store) => panic!("`{url}` opened {}", store.address()),
    }
}

#[tokio::test]
async fn what_only_looks_like_an_address_is_refused() {
    for url in ["", "memory", "memory:orders", "memory://", "orders.db", "mongo://host/db"] {
        assert!(refused(url).await.contains("expected"), "{url}");
    }
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn a_server_is_named() {
    for url in ["postgres:", "postgres://", "postgresql:orders", "mysql:", "mysql://"] {
        assert!(refused(url).await.contains("://"), "{url}");
    }
}

#[cfg(feature = "servers")]
#[tokio::test]
async fn no_part_of_a_password_is_shown() {
    for url in [
        "mongo://ada:secret@host/db",
        "mongo://ada:sec@ret@host/db",
        "mongo://host/db?password=secret",
        "postgres:ada:secret@host/db",
        "postgres://ada:sec?ret@host/db",
        "mysql:ada:secret@host/db",
        "mysql://ada:sec?ret@host/db",
    ] {
        let shown = refused(url).await;
        assert!(!shown.contains("sec") && !shown.contains("ret"), "{shown}");
    }
}

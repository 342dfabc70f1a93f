//! Orders over HTTP.
//!
//! | route | does |
//! |---|---|
//! | `POST /orders` | places an order; with a `price` it is paid for by its `customer` |
//! | `GET /orders/{id}` | reads it |
//! | `POST /orders/{id}/cancel` | cancels it |
//! | `GET /orders/{id}/events` | follows it live, as server-sent events |

mod follow;
mod idempotency;
mod orders;
mod problem;

use std::io;
use std::net::SocketAddr;

use annals::Annals;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use problem::Problem;

/// What the handlers share.
#[derive(Clone)]
struct Shop {
    app: Annals,
    /// Set when the server shuts down: streams that would never end then do.
    closing: CancellationToken,
}

impl FromRef<Shop> for Annals {
    fn from_ref(shop: &Shop) -> Self {
        shop.app.clone()
    }
}

/// It was not possible to listen at an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// Listens at `address`; on port 0 at any that is free.
///
/// # Errors
/// When the address is taken or not allowed.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Serves until the process is asked to end (ctrl-c, SIGTERM), then finishes what it has begun.
///
/// # Errors
/// When the listener fails.
pub async fn serve(app: Annals, listener: TcpListener) -> io::Result<()> {
    let closing = CancellationToken::new();
    let routes = Router::new()
        .route("/orders", post(orders::place))
        .route("/orders/{id}", get(orders::read))
        .route("/orders/{id}/cancel", post(orders::cancel))
        .route("/orders/{id}/events", get(follow::follow))
        .fallback(async || Problem::no_such_page())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .with_state(Shop { app, closing: closing.clone() });
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            asked_to_end().await;
            closing.cancel();
        })
        .await
}

async fn asked_to_end() {
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

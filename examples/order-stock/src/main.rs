//! `order-stock`: run `order-stock --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    order_stock::cli::main().await
}

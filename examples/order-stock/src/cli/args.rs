//! What the user may ask for.

use std::net::SocketAddr;
use std::path::PathBuf;

use annals::Timestamp;
use clap::{Parser, Subcommand};

use crate::domain::OrderId;
use crate::names;

/// Orders reserve stock and are paid for: the main example of `annals`, a framework for CQRS and event sourcing.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Exit status: 0 for success, 1 for a failure, 2 for wrong arguments.
Colours and the progress bar are left out when the output is no terminal, colours also when NO_COLOR is set.
Set RUST_LOG, for instance to `annals=debug`, to see more of what happens.")]
pub(super) struct Args {
    /// Address of the database, such as `sqlite://orders.db`; by default the one of the demo
    #[arg(long, global = true, value_name = "URL", env = "ORDER_STOCK_DB")]
    pub(super) db: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Import the orders that come with the example, and show what came of them
    ///
    /// Doing it again changes nothing, and says so.
    #[command(after_help = "Example:\n  order-stock demo --fresh")]
    Demo {
        /// Begin with an empty database: remove what an earlier demo has left
        #[arg(long)]
        fresh: bool,
    },
    /// Import stock, customers and orders from CSV files
    ///
    /// Rows that cannot be read are reported by line, and the rest goes on. Importing the same files again
    /// changes nothing. An import that was stopped at any moment, even killed, goes on when it is started again.
    #[command(
        verbatim_doc_comment,
        after_help = "\
Columns:
  stock file      sku,name,quantity
  customers file  customer,balance
  orders file     action,order,sku,quantity[,customer][,price]   where action is `place` or `cancel`

A price is what the order costs in all, such as 12.50; the customer's account pays it. An order without one costs nothing.

Example:
  order-stock import --stock stock.csv --orders orders.csv --db sqlite://orders.db
  order-stock import --stock stock.csv --customers customers.csv --orders orders.csv"
    )]
    Import {
        /// The articles and how many of each there are
        #[arg(long, value_name = "FILE")]
        stock: PathBuf,
        /// The customers and how much each has in the account; without it no account is opened
        #[arg(long, value_name = "FILE")]
        customers: Option<PathBuf>,
        /// What was ordered and cancelled
        #[arg(long, value_name = "FILE")]
        orders: PathBuf,
    },
    /// Show an order and how far it has come
    #[command(after_help = "Example:\n  order-stock show o-0042")]
    Show {
        /// The order's name
        #[arg(value_parser = names::order)]
        order: OrderId,
    },
    /// Show every event of an order with its time, its cause and what it says
    #[command(after_help = "Example:\n  order-stock history o-0042")]
    History {
        /// The order's name
        #[arg(value_parser = names::order)]
        order: OrderId,
    },
    /// Show an order as it was at an instant
    #[command(
        after_help = "Example:\n  order-stock at o-0042 2026-11-21T12:00:00Z\n  order-stock at o-0042 2026-11-21"
    )]
    At {
        /// The order's name
        #[arg(value_parser = names::order)]
        order: OrderId,
        /// The instant in RFC 3339, as `history` prints it, or a day: then as it was at its end in UTC
        #[arg(value_parser = names::time)]
        time: Timestamp,
    },
    /// Show what is left of each article
    #[command(after_help = "Example:\n  order-stock stock")]
    Stock,
    /// Show what each customer has left, and has paid
    #[command(after_help = "Example:\n  order-stock accounts")]
    Accounts,
    /// Serve orders over HTTP until ctrl-c
    #[command(after_help = "\
Routes:
  POST /orders               {\"order\": \"o-1\", \"sku\": \"TEA-01\", \"quantity\": 2}; with
                             \"customer\": \"Ada Lovelace\", \"price\": \"12.50\" it is paid for
  GET  /orders/{id}
  POST /orders/{id}/cancel
  GET  /orders/{id}/events   follows the order live, as server-sent events

A POST with the header `Idempotency-Key` may be repeated: it has one effect.
Errors are problem details (RFC 9457).

Example:
  order-stock serve --listen 127.0.0.1:3000
  curl -N http://127.0.0.1:3000/orders/o-0042/events")]
    Serve {
        /// Where to listen; port 0 for any that is free
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
        listen: SocketAddr,
    },
}

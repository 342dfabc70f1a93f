//! What is acknowledged is there, once and whole, whatever dies in the middle of a commit: the process, the database
//! server, or the connection between them.
//!
//! Writers append in groups of three events, over a stream of their own and two that all share. What they were told is
//! compared with what is stored.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chance;
mod fulfilment;
mod held;
mod nodes;
mod processes;
#[cfg(feature = "servers")]
mod proxy;
#[cfg(feature = "servers")]
mod servers;
mod verdict;
mod writers;

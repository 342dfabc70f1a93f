//! Several nodes, each a process of its own, share the processors on one database.
//!
//! Whatever befalls a node, what it worked on goes to the others, and no event is handled twice or not at all: the documents
//! of a view are compared with a fold over all events, and the rows of handlers are counted.

mod chaos;
mod database;
mod domain;
#[cfg(feature = "servers")]
mod idle;
mod poison;
mod process;
#[cfg(feature = "servers")]
mod replacement;
mod rounds;
mod stage;

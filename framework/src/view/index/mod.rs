//! Secondary indexes: by which fields documents are found, beside their key.
//!
//! `#[index]` on a field of a view makes a constant [`Index`] of the same name in capital letters. Filters and orders are
//! made from it, so that one of an unindexed field, or with a value of another type, does not compile.

mod entries;
mod filter;
pub(crate) mod value;

pub use entries::{AtMostOne, IndexEntries, Indexed, Several};
pub use filter::{Filter, Index, Order};
pub use value::{IndexOperand, IndexValue};

pub(super) use entries::{change, entries};

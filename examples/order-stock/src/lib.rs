//! The main example of `annals`: orders reserve stock through a saga.
//!
//! Begin with [`domain`]: it is all that the rest serves. [`import`] drives it from CSV files, [`http`] over the
//! network, [`cli`] from the command line.

pub mod cli;
#[allow(missing_docs, reason = "most fields and variants of the domain say themselves what they are")]
pub mod domain;
pub mod error;
pub mod http;
pub mod import;
pub mod names;

//! The main example of `annals`: orders reserve stock and are paid for, through a saga.
//!
//! Begin with [`domain`]: it is all that the rest serves. [`payment`] is the domain of the accounts that it takes money
//! from, [`views`] are what people look at. [`import`] drives it from CSV files, [`http`] over the network, [`cli`] from
//! the command line.

pub mod cli;
#[allow(missing_docs, reason = "most fields and variants of the domain say themselves what they are")]
pub mod domain;
pub mod error;
pub mod http;
pub mod import;
pub mod names;
#[allow(missing_docs, reason = "as in the domain")]
pub mod payment;
pub mod terms;
#[allow(missing_docs, reason = "as in the domain")]
pub mod views;

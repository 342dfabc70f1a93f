//! What customers pay with: a domain of its own, which knows nothing of stock. Nothing in here does I/O.
//!
//! An [`Account`] holds a customer's money. Each order is paid for at most once, and paid back at most once.

mod account;
#[rustfmt::skip]
mod messages;

use annals::prelude::*;

pub use crate::terms::*;
pub use {account::*, messages::*};

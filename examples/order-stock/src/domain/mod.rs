//! The domain: orders reserve stock and are paid for, through a saga. Nothing in here does I/O or asks for the time.
//!
//! A placed [`Order`] starts the saga [`Fulfilment`], which reserves [`Stock`], takes the [payment](crate::payment) and
//! then approves the order; or rejects it with the reason, and undoes what was done. The stock of a cancelled order is
//! given back, and its customer paid back, whenever the cancellation arrives.

mod fulfilment;
#[rustfmt::skip]
mod messages;
mod order;
mod stock;

pub use crate::{payment::*, terms::*};
pub use annals::prelude::*;
pub use {fulfilment::*, messages::*, order::*, stock::*};

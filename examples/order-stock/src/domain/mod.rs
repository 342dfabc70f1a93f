//! The domain: orders reserve stock through a saga. Nothing in here does I/O or asks for the time.
//!
//! A placed [`Order`] starts the saga [`Fulfilment`], which reserves [`Stock`] and then approves the order, or rejects
//! it with the reason. A cancelled order gives its stock back, whenever the cancellation arrives.

mod fulfilment;
#[rustfmt::skip]
mod messages;
mod order;
mod stock;
mod views;

pub use annals::prelude::*;
pub use {fulfilment::*, messages::*, order::*, stock::*, views::*};

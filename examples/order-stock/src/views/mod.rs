//! What people look at: orders, what is left of each article, and what each customer has left.

mod account;
mod order;
mod stock;

use crate::domain::*;

pub use {account::*, order::*, stock::*};

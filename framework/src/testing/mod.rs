//! Tests that read as the specification, without a database.
//!
//! | test of | begins with |
//! |---|---|
//! | an aggregate or a decision | [`given`] |
//! | a saga | [`given_saga`] |
//! | a view | [`given_view`] |
//! | upcasters | [`upcast`] |
//! | a store of your own | [`compliance`] |
//!
//! Time comes from a [`TestClock`]. A step that does not hold panics at the line of the test, and says what was
//! expected and what was there.

mod aggregate;
mod clock;
pub mod compliance;
mod facts;
mod saga;
mod upcast;
mod view;

pub use aggregate::{Decided, Given, given};
pub use clock::TestClock;
pub use facts::Facts;
pub use saga::{Commands, GivenSaga, given_saga};
pub use upcast::{Upcast, upcast, upcast_named};
pub use view::{GivenView, given_view};

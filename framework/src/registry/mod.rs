//! What `inventory` collected and what the builder was given, checked once at start.

mod location;

pub use location::Location;

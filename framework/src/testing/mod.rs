//! Tools for tests.

pub mod compliance;

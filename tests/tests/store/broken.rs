//! Broken stores, which the suite must catch.

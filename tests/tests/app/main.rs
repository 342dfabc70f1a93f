//! The application as users meet it, on every embedded store.

#![expect(unreachable_pub, reason = "what the modules of one test binary share is `pub`")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ahead;
mod baskets;
mod boundaries;
mod caches;
mod cancelled;
mod codec;
mod commands;
mod conflicts;
mod courses;
mod decisions;
mod demands;
mod depot;
mod endings;
mod entities;
mod evolution;
mod exchange;
mod expectations;
mod faults;
mod faulty;
mod folds;
mod idempotence;
mod interceptors;
mod kit;
mod kit_app;
mod kit_matchers;
mod kit_properties;
mod lanes;
mod layers;
mod meanwhile;
mod metadata;
mod nested;
mod notebook;
mod parcels;
mod retries;
mod sequential;
mod service;
mod shaky;
mod shipped;
mod smoke;
mod snapshot_failures;
mod snapshot_policies;
mod snapshots;
mod startup;
mod state_stored;
mod stored;
mod streams;
mod support;
mod time_machine;
mod unique;
mod units;
mod upcasters;
mod variants;
mod wallet;

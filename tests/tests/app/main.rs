//! The application as users meet it, on every embedded store.

#![expect(unreachable_pub, reason = "what the modules of one test binary share is `pub`")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ahead;
mod codec;
mod commands;
mod conflicts;
mod courses;
mod decisions;
mod exchange;
mod faults;
mod faulty;
mod idempotence;
mod interceptors;
mod kit;
mod lanes;
mod metadata;
mod parcels;
mod sequential;
mod service;
mod shaky;
mod smoke;
mod snapshots;
mod startup;
mod streams;
mod support;
mod time_machine;
mod upcasters;
mod wallet;

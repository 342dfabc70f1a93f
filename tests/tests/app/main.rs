//! The application as users meet it, on every embedded store.

#![expect(unreachable_pub, reason = "what the modules of one test binary share is `pub`")]

mod codec;
mod commands;
mod conflicts;
mod decisions;
mod idempotence;
mod interceptors;
mod lanes;
mod metadata;
mod parcels;
mod service;
mod smoke;
mod snapshots;
mod support;
mod time_machine;
mod upcasters;
mod wallet;

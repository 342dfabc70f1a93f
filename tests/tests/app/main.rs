//! The application as users meet it, on every embedded store.

#![expect(unreachable_pub, reason = "what the modules of one test binary share is `pub`")]

mod commands;
mod conflicts;
mod idempotence;
mod lanes;
mod smoke;
mod support;
mod wallet;

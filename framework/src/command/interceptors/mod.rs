//! Interceptors that come with Annals, for `dispatch_interceptor(..)`.
//!
//! | interceptor | does |
//! |---|---|
//! | [`Trace`] | a span around each command, and one line when it has ended |
//! | [`Correlate`] | copies chosen metadata from the command that is handled to what is sent meanwhile |
//! | [`TimeLimit`] | ends what takes too long, with a warning before |
//! | [`CircuitBreaker`] | tries nothing for a while after many failures |
//! | `RateLimit` (feature `rate-limit`) | lets so many commands through in a second, of all or of each user |
//!
//! Roles and rules on fields need no interceptor: they stand with the command, as in
//! `#[command(name = "..", roles("clerk"), validate)]`.
//!
//! ```
//! use std::time::Duration;
//! use annals::Annals;
//! use annals::command::interceptors::{CircuitBreaker, TimeLimit, Trace};
//!
//! let builder = Annals::builder()
//!     .dispatch_interceptor(Trace::new())
//!     .dispatch_interceptor(CircuitBreaker::after(20))
//!     .dispatch_interceptor(TimeLimit::of(Duration::from_secs(30)));
//! ```

mod circuit_breaker;
mod correlate;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod time_limit;
mod trace;

pub use circuit_breaker::CircuitBreaker;
pub use correlate::Correlate;
#[cfg(feature = "rate-limit")]
pub use rate_limit::RateLimit;
pub use time_limit::TimeLimit;
pub use trace::Trace;

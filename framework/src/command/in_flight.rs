//! The bound on all commands that are under way.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::CommandFailure;

/// Counts the commands that are under way in this application.
pub(super) struct InFlight {
    count: AtomicUsize,
    limit: usize,
}

/// A command that is under way, until it is dropped.
pub(super) struct UnderWay<'a>(&'a AtomicUsize);

impl InFlight {
    pub(super) fn new(limit: usize) -> Self {
        Self { count: AtomicUsize::new(0), limit }
    }

    /// # Errors
    /// [`CommandFailure::Overloaded`] when there are as many as there may be.
    pub(super) fn enter(&self, command: &'static str) -> Result<UnderWay<'_>, CommandFailure> {
        let entered = UnderWay(&self.count);
        if self.count.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(entered);
        }
        Err(CommandFailure::Overloaded { command: command.to_owned(), limit: self.limit })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_enter_as_there_may_be_and_the_next_one_when_one_has_left() {
        let in_flight = InFlight::new(2);
        let first = in_flight.enter("a").unwrap();
        let _second = in_flight.enter("a").unwrap();
        for _ in 0..3 {
            let refused = in_flight.enter("b").map(drop).unwrap_err();
            assert!(matches!(refused, CommandFailure::Overloaded { limit: 2, .. }), "{refused}");
        }
        drop(first);
        assert!(in_flight.enter("b").is_ok());
    }
}

//! A circuit breaker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::command::error::{CommandError, CommandFailure};
use crate::command::interceptor::{CommandInterceptor, Next};
use crate::command::message::{CommandMessage, CommandResult};

/// Opens after so many transient failures in a row: commands are then refused at once ([`CommandFailure::CircuitOpen`]), so
/// that what has broken down is left alone. After a pause one command is let through: if it goes well the circuit closes,
/// else it stays open for another pause.
///
/// What the domain refuses, and what fails for good, says nothing about the machinery and counts as going well. All clones
/// are one circuit; put it around one component with `dispatch_interceptor_of::<Payments>(..)`.
///
/// It is our own, since no kept crate offers one that goes with interceptors: a `tower` layer of another kind can be put in
/// its place with `layer_of::<Payments, _>(..)`.
///
/// ```
/// use std::time::Duration;
/// use annals::command::interceptors::CircuitBreaker;
///
/// let breaker = CircuitBreaker::after(20).pause(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CircuitBreaker {
    failures: u32,
    pause: Duration,
    circuit: Arc<Mutex<Circuit>>,
}

#[derive(Debug, Clone, Copy)]
enum Circuit {
    /// Everything passes; so many failures came in a row.
    Closed(u32),
    /// Nothing passes until then.
    Open(Instant),
    /// One command is let through, and nobody else until it has ended, or until then if it never does.
    Trying(Instant),
}

impl CircuitBreaker {
    /// Opens after so many failures in a row, at least one.
    pub fn after(failures: u32) -> Self {
        Self {
            failures: failures.max(1),
            pause: Duration::from_secs(10),
            circuit: Arc::new(Mutex::new(Circuit::Closed(0))),
        }
    }

    /// How long it stays open before it tries again. Default 10 s.
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a command may pass; else how long until one may.
    fn enter(&self) -> Result<(), Duration> {
        let mut circuit = self.circuit();
        match *circuit {
            Circuit::Closed(_) => Ok(()),
            Circuit::Open(until) | Circuit::Trying(until) => {
                let now = Instant::now();
                if now < until {
                    return Err(until - now);
                }
                *circuit = Circuit::Trying(now + self.pause);
                Ok(())
            }
        }
    }

    fn leave(&self, failed: bool) {
        let mut circuit = self.circuit();
        *circuit = match (*circuit, failed) {
            (Circuit::Closed(_) | Circuit::Trying(_), false) => Circuit::Closed(0),
            (Circuit::Closed(before), true) if before + 1 < self.failures => Circuit::Closed(before + 1),
            (Circuit::Closed(_) | Circuit::Trying(_), true) => Circuit::Open(Instant::now() + self.pause),
            // It was let through before the circuit opened.
            (open @ Circuit::Open(_), _) => open,
        };
    }
}

#[async_trait]
impl CommandInterceptor for CircuitBreaker {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if let Err(again_in) = self.enter() {
            return Err(CommandFailure::CircuitOpen { command: command.name.to_owned(), again_in }.into());
        }
        let result = next.run(command).await;
        self.leave(matches!(&result, Err(CommandError::Failed(failure)) if failure.is_transient()));
        result
    }
}

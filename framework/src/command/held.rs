//! Which turns the present task holds, so that a command that would wait for itself is refused at once.
//!
//! While code of the application runs that may wait (interceptors around handling, handlers outside aggregates), the turns
//! that it holds are noted in the task. A command that is sent there, however many handlers lie between, is looked up
//! before it waits. What another task sends is not seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    static HELD: Arc<Held>;
}

/// A turn that is held while code of the application runs.
pub(crate) struct Held {
    /// Which lanes it belongs to.
    lanes: usize,
    key: Box<str>,
    command: &'static str,
    /// Whether the turn has not gone on yet.
    held: AtomicBool,
    outer: Option<Arc<Self>>,
}

impl Held {
    /// The turn of `command` in the lane of `key`, inside what the task holds already.
    pub(super) fn new(lanes: usize, key: &str, command: &'static str) -> Arc<Self> {
        let outer = HELD.try_with(Arc::clone).ok();
        Arc::new(Self { lanes, key: key.into(), command, held: AtomicBool::new(true), outer })
    }

    /// Runs `code` while the turn is held.
    pub(super) async fn during<F: Future>(self: Arc<Self>, code: F) -> F::Output {
        HELD.scope(self, code).await
    }

    /// The turn is about to go on: nobody waits for it in vain any more.
    pub(super) fn release(&self) {
        self.held.store(false, Ordering::Release);
    }
}

/// The commands from the one that holds the turn of `key` to the innermost; `None` if this task does not hold it.
pub(super) fn holders(lanes: usize, key: &str) -> Option<Vec<&'static str>> {
    HELD.try_with(|innermost| {
        let mut commands = Vec::new();
        let mut next = Some(innermost);
        while let Some(held) = next {
            commands.push(held.command);
            if held.lanes == lanes && *held.key == *key && held.held.load(Ordering::Acquire) {
                commands.reverse();
                return Some(commands);
            }
            next = held.outer.as_ref();
        }
        None
    })
    .ok()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_found_from_within_as_long_as_it_is_held() {
        assert_eq!(holders(1, "a"), None);
        let outer = Held::new(1, "a", "first");
        let kept = Arc::clone(&outer);
        outer
            .during(async {
                assert_eq!(holders(1, "a"), Some(vec!["first"]));
                assert_eq!(holders(1, "b"), None, "another key");
                assert_eq!(holders(2, "a"), None, "other lanes");
                Held::new(1, "b", "second")
                    .during(async {
                        assert_eq!(holders(1, "a"), Some(vec!["first", "second"]));
                        assert_eq!(tokio::spawn(async { holders(1, "a") }).await.unwrap(), None, "another task");
                        kept.release();
                        assert_eq!(holders(1, "a"), None, "it has gone on");
                        assert_eq!(holders(1, "b"), Some(vec!["second"]));
                    })
                    .await;
            })
            .await;
        assert_eq!(holders(1, "b"), None);
    }
}

//! What the function of a workflow holds in its hands: every step begins here.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handler::HandlerError;
use crate::message::{CodecError, Command, Timestamp};

use super::call::Call;
use super::error::WorkflowError;
use super::flowing::Finished;
use super::record::{Answer, Asked};
use super::replay::{Move, Shared};
use super::steps::{Calling, Child, Delivery, Join, JoinAll, Joined, Race, Sending, Sleeping, Step, Waiting};
use super::{AwaitedBy, FoundBy, WorkflowHandlers};

/// What the function of the workflow `W` asks for its steps. It can be cloned and lent to helpers.
///
/// Nothing is asked for before its future is awaited. Each of them is recorded; when the function runs again after a restart,
/// it is given what was recorded, and only what is new happens.
///
/// It does not leave the thread of the function: the code of a [`call`](Self::call) cannot use it.
pub struct Flow<W> {
    replay: Shared,
    input: Rc<W>,
}

impl<W> Clone for Flow<W> {
    fn clone(&self) -> Self {
        Self { replay: Shared::clone(&self.replay), input: Rc::clone(&self.input) }
    }
}

impl<W> fmt::Debug for Flow<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").finish_non_exhaustive()
    }
}

impl<W: WorkflowHandlers> Flow<W> {
    pub(crate) fn new(replay: Shared, input: &W) -> Self {
        Self { replay, input: Rc::new(input.clone()) }
    }

    /// Sends `command`, and gives its reply, or the error with which the domain refuses it. It is sent at least once, under a
    /// fixed id, so that it has one effect.
    pub fn send<C: Command>(&self, command: C) -> Sending<C> {
        Sending::new(self.replay.clone(), &command)
    }

    /// Sends `command` and goes on. Nobody learns what came of it.
    pub fn notify<C: Command>(&self, command: &C) {
        let mut replay = self.replay.borrow_mut();
        let Some((wanted, planned)) = replay.command(command) else { return };
        if let Some((_, true)) = replay.ask(Asked::Notice(wanted)) {
            replay.plan(Move::Notice(planned));
        }
    }

    /// Waits for the next event `E` that belongs to this instance: `#[awaits(E, by = order)]` says which ones do. One that
    /// came since the instance was begun, and was not taken yet, is given at once; the oldest first.
    ///
    /// [`within`](Waiting::within) limits the time.
    pub fn event<E: FoundBy<W>>(&self) -> Waiting<E> {
        Waiting::new(self.replay.clone(), E::KEY, E::value(&self.input), false)
    }

    /// Waits for the next event `E` whose field, named in `#[awaits(E, by = payment)]`, has the text of `value`. From the
    /// first poll on such events are kept; [`follow`](Self::follow) has them kept from an earlier step on.
    pub fn event_of<E: AwaitedBy<W>>(&self, value: impl ToString) -> Waiting<E> {
        Waiting::new(self.replay.clone(), E::KEY, value.to_string(), true)
    }

    /// From now on events `E` whose field has the text of `value` are kept for [`event_of`](Self::event_of). Say it before the
    /// command that may lead to the event, which could otherwise come before anybody waits for it.
    pub fn follow<E: AwaitedBy<W>>(&self, value: impl ToString) {
        let (key, value) = (E::KEY.to_owned(), value.to_string());
        let mut replay = self.replay.borrow_mut();
        if let Some((_, true)) = replay.ask(Asked::Follow { key: key.clone(), value: value.clone() }) {
            replay.plan(Move::Associate(key, value));
        }
    }

    /// Lets `duration` pass. It survives restarts, and is never too short.
    pub fn sleep(&self, duration: Duration) -> Sleeping {
        Sleeping::new(self.replay.clone(), Asked::Sleep(duration))
    }

    /// Waits for `instant`.
    pub fn sleep_until(&self, instant: Timestamp) -> Sleeping {
        Sleeping::new(self.replay.clone(), Asked::Until(instant))
    }

    /// Runs code that does anything: asks another system, reads a file, draws a number. Its result is recorded, and the code
    /// does not run again once it has succeeded. When it fails it is tried again with growing pauses, under the same
    /// [`key`](Call::key); so it may run more than once. A failure that the function should learn of is a result:
    /// `Result<Quote, Refused>` inside the `Ok`.
    pub fn call<T, F, R>(&self, name: &str, code: F) -> Calling<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(Call) -> R + Send + 'static,
        R: Future<Output = Result<T, HandlerError>> + Send + 'static,
    {
        Calling::new(self.replay.clone(), name.to_owned(), code)
    }

    /// Begins another workflow with this input, and waits for its end.
    pub fn child<V: WorkflowHandlers>(&self, input: V) -> Child<V> {
        Child::new(self.replay.clone(), input)
    }

    /// Takes several steps side by side, and gives what all of them gave: a tuple for a tuple of up to eight.
    pub fn join<J: Joined>(&self, steps: J) -> Join<J> {
        Join::new(steps)
    }

    /// Takes any number of steps side by side, and gives what all of them gave, in their order.
    pub fn join_all<S: Step>(&self, steps: impl IntoIterator<Item = S>) -> JoinAll<S> {
        JoinAll::new(steps)
    }

    /// Takes two steps side by side, and gives what the first one gave that was done. The other is given up: it waits no longer,
    /// but a command that was sent is not taken back.
    pub fn race<A: Step, B: Step>(&self, first: A, second: B) -> Race<A, B> {
        Race::new(first, second)
    }

    /// If the function fails from here on, `command` undoes what was done before. Such commands are sent in reverse order, each
    /// when the one before was accepted. One that is rejected needs attention.
    pub fn undo<C: Command>(&self, command: &C) {
        let mut replay = self.replay.borrow_mut();
        if let Some(command) = replay.command(command) {
            replay.undo(command);
        }
    }

    /// Whether the instance came here under a program that has this change: true for those that pass for the first time,
    /// false for those that passed before the change was made. So a function may change while instances of it run. Each change
    /// has a name of its own, and one answer for each instance.
    #[must_use]
    pub fn changed(&self, name: &str) -> bool {
        self.replay.borrow_mut().passes(name)
    }

    /// The version of the workflow under which the instance was begun.
    #[must_use]
    pub fn begun_under(&self) -> u32 {
        self.replay.borrow().begun_under()
    }

    /// The instant of the newest thing that came: the same each time that the function runs.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.replay.borrow().now()
    }

    /// A new id, which is the same each time that the function runs.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        self.replay.borrow_mut().next_id()
    }

    /// The function with what surrounds it; nothing after a fault.
    pub(crate) async fn whole(self) -> Option<Finished> {
        match self.until_undone().await {
            Some(Ok(output)) => self.written(&output).map(Finished::Completed),
            Some(Err(error)) => {
                let error = self.written(&error)?;
                self.undo_all().await?;
                Some(Finished::Failed(error))
            }
            None => {
                self.undo_all().await?;
                Some(Finished::Undone)
            }
        }
    }

    /// What the function returns; nothing where somebody wants undone what it has done.
    async fn until_undone(&self) -> Option<Result<W::Output, W::Error>> {
        let mut function = pin!(W::clone(&self.input).run(self.clone()));
        poll_fn(|context| {
            if self.replay.borrow().wishes_to_undo() > 0 {
                return Poll::Ready(None);
            }
            function.as_mut().poll(context).map(Some)
        })
        .await
    }

    fn written<T: Serialize>(&self, value: &T) -> Option<String> {
        let written = serde_json::to_string(value).map_err(CodecError::new);
        self.replay.borrow_mut().take("what its function returns".to_owned(), written)
    }

    async fn undo_all(&self) -> Option<()> {
        loop {
            let (next, wishes) = {
                let replay = self.replay.borrow();
                (replay.next_undo(), replay.wishes_to_undo())
            };
            let Some((wanted, planned)) = next else { return Some(()) };
            let command = wanted.name.clone();
            let mut delivery = Delivery::new(self.replay.clone(), wanted, planned);
            // Who wishes it once more has taken back what was under way.
            let answer = poll_fn(|context| {
                if self.replay.borrow().wishes_to_undo() != wishes {
                    return Poll::Ready(None);
                }
                Pin::new(&mut delivery).poll(context).map(Some)
            })
            .await;
            match answer {
                None => {}
                Some(Answer::Rejected(error)) => {
                    let mut replay = self.replay.borrow_mut();
                    let workflow = replay.workflow();
                    replay.fail(WorkflowError::UndoRejected { workflow, command, error });
                    return None;
                }
                Some(_) => self.replay.borrow_mut().undone(),
            }
        }
    }
}

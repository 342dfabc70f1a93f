//! Tallies are counted in groups: the smallest domain that views, handlers and queries can be shown with.

use std::sync::{Arc, Mutex};

use annals::app::Builder;
use annals::prelude::*;
use annals::{Annals, Sent};
use tokio::sync::watch;

use crate::given::{Faults, app};

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "tally.count")]
pub(crate) struct Count {
    #[target]
    pub(crate) tally: String,
    pub(crate) group: String,
    pub(crate) amount: i64,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "tally.clear")]
pub(crate) struct Clear {
    #[target]
    pub(crate) tally: String,
    pub(crate) group: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "tally.counted")]
pub(crate) struct Counted {
    pub(crate) tally: String,
    #[tag]
    pub(crate) group: String,
    pub(crate) amount: i64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "tally.cleared")]
pub(crate) struct Cleared {
    #[tag]
    pub(crate) group: String,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "tally")]
pub(crate) struct Tally;

#[command_handlers]
impl Tally {
    #[handle(create_if_missing)]
    fn count(&self, command: Count) -> Counted {
        Counted { tally: command.tally, group: command.group, amount: command.amount }
    }

    #[handle(create_if_missing)]
    fn clear(&self, command: Clear) -> Cleared {
        Cleared { group: command.group }
    }
}

#[event_sourcing]
impl Tally {
    #[apply]
    fn counted(&mut self, _event: &Counted) {}

    #[apply]
    fn cleared(&mut self, _event: &Cleared) {}
}

/// One view in three modes.
macro_rules! sums {
    ($($view:ident $name:literal $mode:ident)*) => {$(
        /// What was counted in each group since it was cleared.
        #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
        #[view(name = $name, key = String, $mode)]
        pub(crate) struct $view {
            pub(crate) total: i64,
            pub(crate) times: u32,
        }

        #[view_handlers]
        impl $view {
            #[handle(key = group)]
            fn counted(&mut self, event: &Counted) {
                self.total += event.amount;
                self.times += 1;
            }

            #[handle(key = group)]
            fn cleared(&mut self, _event: &Cleared) -> Keep {
                Keep::Delete
            }
        }
    )*};
}
sums! { Sums "sums" asynchronous InlineSums "sums-inline" inline LiveSums "sums-live" live }

#[derive(Query, Clone, Debug)]
#[query(name = "tally.sum", reply = i64)]
pub(crate) struct SumOf {
    pub(crate) group: String,
}

#[query_handlers]
impl Sums {
    #[handle]
    async fn sum(query: SumOf, sums: Views<Sums>) -> Result<i64, QueryError> {
        Ok(sums.get(&query.group).await?.unwrap_or_default().total)
    }
}

/// Writes down what was counted, outside any store. A page that fails is handled again, event by event, and what was
/// done outside the store is then done twice: so a line counts once.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) faults: Faults,
    seen: Arc<Mutex<Vec<String>>>,
    gate: Arc<watch::Sender<bool>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { faults: Faults::default(), seen: Arc::default(), gate: Arc::new(watch::Sender::new(true)) }
    }
}

impl Recorder {
    /// Lines as `a:1`, in the order in which they were first handled.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The lines of one tally.
    pub(crate) fn seen_of(&self, tally: &str) -> Vec<String> {
        let prefix = format!("{tally}:");
        self.seen().into_iter().filter(|line| line.starts_with(&prefix)).collect()
    }

    /// Holds handlers up until the gate is opened.
    pub(crate) fn close_gate(&self) {
        self.gate.send_replace(false);
    }

    /// How many handlers are held up.
    #[cfg(feature = "servers")]
    pub(crate) fn waiting(&self) -> usize {
        self.gate.receiver_count()
    }

    pub(crate) fn open_gate(&self) {
        self.gate.send_replace(true);
    }
}

#[event_handlers(processor = "recorder")]
impl Recorder {
    #[handle]
    async fn counted(&self, event: &Counted) -> Result<(), HandlerError> {
        let _ = self.gate.subscribe().wait_for(|open| *open).await;
        let line = format!("{}:{}", event.tally, event.amount);
        assert!(!self.faults.strike(&format!("panic {line}")), "told to panic at {line}");
        if self.faults.strike(&line) {
            return Err(HandlerError::new(format!("told to fail at {line}")));
        }
        let mut seen = self.seen.lock().unwrap();
        if !seen.contains(&line) {
            seen.push(line);
        }
        Ok(())
    }
}

#[derive(Query, Debug)]
#[query(name = "tally.seen", reply = Vec<String>)]
pub(crate) struct Seen;

#[query_handlers]
impl Recorder {
    #[handle]
    async fn lines(&self, _query: Seen) -> Result<Vec<String>, QueryError> {
        Ok(self.seen())
    }
}

/// An application with tallies.
pub(crate) fn tallies() -> Builder {
    app().include::<Tally>()
}

/// An application with tallies and a recorder.
pub(crate) fn recorded_by(recorder: &Recorder) -> Builder {
    tallies().include::<Recorder>().resource(recorder.clone())
}

/// Counts `amount` on `tally`, in the group of the same name.
pub(crate) async fn count(app: &Annals, tally: &str, amount: i64) -> Sent<()> {
    count_in(app, tally, tally, amount).await
}

pub(crate) async fn count_in(app: &Annals, group: &str, tally: &str, amount: i64) -> Sent<()> {
    let (tally, group) = (tally.to_owned(), group.to_owned());
    app.send(Count { tally, group, amount }).await.unwrap()
}

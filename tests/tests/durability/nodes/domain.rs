//! What the nodes run: a view, and handlers whose rows would show an event that was handled twice, late or never.

use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::message::{Clock, Recorded, SystemClock, Timestamp};
use annals::prelude::*;
use annals::processor::Attempt;
use async_trait::async_trait;

/// The processor of the view.
pub(super) const VIEW: &str = "view:sums@1";
/// The processor of the handlers.
pub(super) const LEDGER: &str = "ledger";
/// Both.
pub(super) const PROCESSORS: [&str; 2] = [VIEW, LEDGER];
/// A program ends in the middle of handling an event of this group, in the first of the handlers.
pub(super) const POISON: &str = "poison";
/// The first of the handlers says so and waits, in the middle of its transaction, at an event of this group.
pub(super) const HOLD: &str = "hold";
/// What it says.
pub(super) const HOLDING: &str = "holding";
/// For how long.
pub(super) const HELD: Duration = Duration::from_secs(1);
/// One in so many events fails at the first attempt.
const FLAKY: i64 = 53;

/// Without any key over what was handled, so that nothing hides a double.
pub(super) fn table(url: &str) -> &'static str {
    match url.split_once(':') {
        Some(("postgres", _)) => {
            "CREATE TABLE ledger (seq BIGSERIAL PRIMARY KEY, handler TEXT, position BIGINT, tally TEXT, number BIGINT)"
        }
        Some(("mysql", _)) => {
            "CREATE TABLE ledger (seq BIGINT AUTO_INCREMENT PRIMARY KEY, handler VARCHAR(9), position BIGINT, \
             tally VARCHAR(99), number BIGINT)"
        }
        _ => {
            "CREATE TABLE ledger (seq INTEGER PRIMARY KEY AUTOINCREMENT, handler TEXT, position INTEGER, tally TEXT, \
             number INTEGER)"
        }
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "tally.count")]
pub(super) struct Count {
    #[target]
    pub(super) tally: String,
    pub(super) group: String,
    pub(super) number: i64,
}

/// The events of a tally are numbered from 1.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "tally.counted")]
pub(super) struct Counted {
    pub(super) tally: String,
    pub(super) group: String,
    pub(super) number: i64,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "tally")]
pub(super) struct Tally;

#[command_handlers]
impl Tally {
    #[handle(create_if_missing)]
    fn count(&self, command: Count) -> Counted {
        Counted { tally: command.tally, group: command.group, number: command.number }
    }
}

#[event_sourcing]
impl Tally {
    #[apply]
    fn counted(&mut self, _event: &Counted) {}
}

/// What was counted in each group.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "sums", key = String, asynchronous)]
pub(super) struct Sums {
    pub(super) total: i64,
    pub(super) times: u64,
}

#[view_handlers]
impl Sums {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted) {
        self.total += event.number;
        self.times += 1;
    }
}

/// Two handlers of one processor, for one kind of database.
macro_rules! ledgers {
    ($transaction:ty, $row:literal; $($ledger:ident $handler:literal)*) => {$(
        #[derive(Default)]
        pub(in super::super) struct $ledger;

        #[event_handlers(processor = "ledger", name = $handler)]
        impl $ledger {
            #[handle]
            async fn counted(
                &self,
                event: &Counted,
                recorded: Recorded,
                attempt: Attempt,
                tx: &mut $transaction,
            ) -> Result<(), HandlerError> {
                if event.group == POISON && $handler == "first" {
                    std::process::abort();
                }
                let row = sqlx::query($row).bind($handler).bind(recorded.position.get().cast_signed());
                row.bind(&event.tally).bind(event.number).execute(&mut **tx).await?;
                if event.group == HOLD && $handler == "first" {
                    println!("\n{HOLDING}");
                    tokio::time::sleep(HELD).await;
                }
                if event.number % FLAKY == FLAKY - 1 && !attempt.is_retry() {
                    return Err(HandlerError::new("it fails at first"));
                }
                Ok(())
            }

            #[reset]
            async fn reset(&self, tx: &mut $transaction) -> Result<(), HandlerError> {
                sqlx::query(concat!("DELETE FROM ledger WHERE handler = '", $handler, "'")).execute(&mut **tx).await?;
                Ok(())
            }
        }
    )*};
}

mod sqlite {
    use super::*;
    ledgers! {
        SqliteTransaction, "INSERT INTO ledger (handler, position, tally, number) VALUES (?, ?, ?, ?)";
        First "first" Second "second"
    }
}

#[cfg(feature = "servers")]
mod postgres {
    use super::*;
    ledgers! {
        annals::store::PostgresTransaction,
        "INSERT INTO ledger (handler, position, tally, number) VALUES ($1, $2, $3, $4)";
        First "first" Second "second"
    }
}

#[cfg(feature = "servers")]
mod mysql {
    use super::*;
    ledgers! {
        annals::store::MySqlTransaction, "INSERT INTO ledger (handler, position, tally, number) VALUES (?, ?, ?, ?)";
        First "first" Second "second"
    }
}

/// A clock that is wrong by some microseconds.
struct Wrong(i64);

#[async_trait]
impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().as_micros() + self.0)
    }

    async fn sleep_until(&self, instant: Timestamp) {
        SystemClock.sleep_until(Timestamp::from_micros(instant.as_micros() - self.0)).await;
    }
}

/// A node with this name, whose clock is wrong by some hours.
pub(super) fn node(url: &str, name: &str, lease: Duration, hours: i64) -> Builder {
    let name = name.to_owned();
    let app = Annals::builder().without_discovery().store(url).include::<Tally>().include::<Sums>();
    let app = match url.split_once(':') {
        #[cfg(feature = "servers")]
        Some(("postgres", _)) => app.include::<postgres::First>().include::<postgres::Second>(),
        #[cfg(feature = "servers")]
        Some(("mysql", _)) => app.include::<mysql::First>().include::<mysql::Second>(),
        _ => app.include::<sqlite::First>().include::<sqlite::Second>(),
    };
    let settings = |config: &mut annals::processor::ProcessorConfig| {
        config.batch = 16;
        config.pause = Duration::from_millis(5);
        config.longest_pause = Duration::from_millis(50);
        config.poll = Duration::from_millis(50);
    };
    app.processors(settings).clock(Wrong(hours * 3_600_000_000)).node(move |node| {
        node.name = name;
        node.lease = lease;
    })
}

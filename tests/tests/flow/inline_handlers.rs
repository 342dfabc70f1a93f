//! Inline event handlers: their rows and the events are there together, or neither is.

use annals::Annals;
use annals::SendError;
use annals::app::{Builder, StartError};
use annals::command::CommandFailure;
use annals::prelude::*;
use annals::processor::{IdempotencyKey, SideEffects};
use annals::registry::Problem;
use sqlx::Connection as _;

use crate::given::{Faults, Lasting, PATIENCE};
use crate::tallies::*;

/// Keeps a row for each event, and a sum, in tables of the store's database.
macro_rules! ledgers {
    ($($(#[$cfg:meta])* $module:ident $transaction:ty, $upsert:literal;)*) => {$(
        $(#[$cfg])*
        mod $module {
            use super::*;

            pub(super) struct Inline(pub(super) Faults);

            #[event_handlers(processor = "inline-ledger", inline)]
            impl Inline {
                #[setup]
                async fn tables(&self, tx: &mut $transaction) -> Result<(), HandlerError> {
                    tables(tx).await
                }

                #[handle]
                async fn counted(
                    &self,
                    event: &Counted,
                    key: IdempotencyKey,
                    effects: SideEffects,
                    tx: &mut $transaction,
                ) -> Result<(), HandlerError> {
                    write(event, key, tx).await?;
                    if event.amount == 77 {
                        effects.send(Clear { tally: "cleared".into(), group: event.group.clone() });
                    }
                    if self.0.strike(&format!("inline {}", event.amount)) {
                        return Err(HandlerError::permanent("told to refuse"));
                    }
                    assert!(!self.0.strike(&format!("panic {}", event.amount)), "told to panic");
                    Ok(())
                }
            }

            /// The same in a program of an earlier or later day.
            pub(super) struct Asynchronous;

            #[event_handlers(processor = "inline-ledger")]
            impl Asynchronous {
                #[handle]
                async fn counted(
                    &self,
                    event: &Counted,
                    key: IdempotencyKey,
                    tx: &mut $transaction,
                ) -> Result<(), HandlerError> {
                    write(event, key, tx).await
                }
            }

            async fn tables(tx: &mut $transaction) -> Result<(), HandlerError> {
                let entries = "CREATE TABLE IF NOT EXISTS inline_entries (tally VARCHAR(80), amount INT, id VARCHAR(40))";
                sqlx::raw_sql(entries).execute(&mut **tx).await?;
                let sums = "CREATE TABLE IF NOT EXISTS inline_sums (name VARCHAR(80) PRIMARY KEY, total INT NOT NULL)";
                sqlx::raw_sql(sums).execute(&mut **tx).await?;
                Ok(())
            }

            async fn write(event: &Counted, key: IdempotencyKey, tx: &mut $transaction) -> Result<(), HandlerError> {
                let (tally, group, amount) = (&event.tally, event.group.as_str(), event.amount);
                let insert = format!("INSERT INTO inline_entries (tally, amount, id) VALUES ('{tally}', {amount}, '{key}')");
                sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut **tx).await?;
                // In either order: the database ends transactions that wait for each other.
                let names = if amount % 2 == 0 { [group, "all"] } else { ["all", group] };
                for name in names {
                    let upsert = format!($upsert, name = name, amount = amount);
                    sqlx::raw_sql(sqlx::AssertSqlSafe(upsert)).execute(&mut **tx).await?;
                }
                Ok(())
            }
        }
    )*};
}
ledgers! {
    sqlite annals::store::SqliteTransaction,
        "INSERT INTO inline_sums VALUES ('{name}', {amount}) ON CONFLICT (name) DO UPDATE SET total = total + {amount}";
    #[cfg(feature = "servers")]
    postgres annals::store::PostgresTransaction,
        "INSERT INTO inline_sums AS sums VALUES ('{name}', {amount}) ON CONFLICT (name) DO UPDATE SET total = sums.total + {amount}";
    #[cfg(feature = "servers")]
    mysql annals::store::MySqlTransaction,
        "INSERT INTO inline_sums VALUES ('{name}', {amount}) ON DUPLICATE KEY UPDATE total = total + {amount}";
}

/// A store in a database, with the ledger of its kind.
struct Kept {
    lasting: Lasting,
    faults: Faults,
}

impl Kept {
    fn each() -> Vec<Self> {
        let databases = Lasting::each().into_iter().filter(|lasting| !matches!(lasting, Lasting::Memory(_)));
        databases.map(|lasting| Self { lasting, faults: Faults::default() }).collect()
    }

    fn inline(&self) -> Builder {
        self.with(tallies())
    }

    fn with(&self, builder: Builder) -> Builder {
        let faults = self.faults.clone();
        match &self.lasting {
            #[cfg(feature = "servers")]
            Lasting::Server(annals_tests::servers::Server::Postgres, _) => {
                builder.include::<postgres::Inline>().resource(postgres::Inline(faults))
            }
            #[cfg(feature = "servers")]
            Lasting::Server(..) => builder.include::<mysql::Inline>().resource(mysql::Inline(faults)),
            _ => builder.include::<sqlite::Inline>().resource(sqlite::Inline(faults)),
        }
    }

    fn asynchronous(&self) -> Builder {
        match &self.lasting {
            #[cfg(feature = "servers")]
            Lasting::Server(annals_tests::servers::Server::Postgres, _) => {
                tallies().include::<postgres::Asynchronous>().resource(postgres::Asynchronous)
            }
            #[cfg(feature = "servers")]
            Lasting::Server(..) => tallies().include::<mysql::Asynchronous>().resource(mysql::Asynchronous),
            _ => tallies().include::<sqlite::Asynchronous>().resource(sqlite::Asynchronous),
        }
    }

    /// The amounts that have a row.
    async fn entries(&self) -> Vec<i32> {
        self.numbers("SELECT amount FROM inline_entries ORDER BY amount").await
    }

    /// The first column of what a statement selects.
    async fn numbers(&self, sql: &'static str) -> Vec<i32> {
        let url = self.lasting.url();
        match &self.lasting {
            #[cfg(feature = "servers")]
            Lasting::Server(annals_tests::servers::Server::Postgres, _) => {
                let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
            #[cfg(feature = "servers")]
            Lasting::Server(..) => {
                let mut connection = sqlx::MySqlConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
            _ => {
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
        }
    }
}

/// How many events there are in a group.
async fn counted(app: &Annals, group: &str) -> u32 {
    app.view::<LiveSums>().get(&group.to_owned()).await.unwrap().unwrap_or_default().times
}

#[tokio::test]
async fn rows_of_inline_handlers_are_there_when_the_command_is_answered() {
    for kept in Kept::each() {
        let app = kept.lasting.start(kept.inline().include::<LiveSums>()).await;
        for amount in 1..=3 {
            count(&app, "a", amount).await;
            assert_eq!(kept.entries().await, (1..=amount.try_into().unwrap()).collect::<Vec<i32>>());
        }
        // An event that is not handled needs no rows.
        app.send(Clear { tally: "a".into(), group: "a".into() }).await.unwrap();
        let statuses = app.processors().status().await.unwrap();
        assert!(statuses.iter().all(|status| status.name != "inline-ledger"), "it has no processor: {statuses:?}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_inline_handler_that_fails_refuses_the_append() {
    for kept in Kept::each() {
        let app = kept.lasting.start(kept.inline().include::<LiveSums>()).await;
        count(&app, "a", 1).await;
        for fault in ["inline 5", "panic 5"] {
            kept.faults.fail(fault, u32::MAX);
            let refused = app.send(Count { tally: "a".into(), group: "a".into(), amount: 5 }).await.unwrap_err();
            let told = format!("{refused:?}");
            assert!(told.contains("inline-ledger (inline)") && told.contains("told to"), "{told}");
            assert_eq!((counted(&app, "a").await, kept.entries().await), (1, vec![1]));
            kept.faults.heal(fault);
        }
        count(&app, "a", 5).await;
        assert_eq!((counted(&app, "a").await, kept.entries().await), (2, vec![1, 5]));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn inline_handlers_that_were_in_each_others_way_run_again() {
    for kept in Kept::each() {
        let app = kept.lasting.start(kept.inline().include::<LiveSums>()).await;
        let other = kept.lasting.start(kept.inline()).await;
        let sends = (1..=6_i64).map(|amount| {
            let app = if amount % 4 < 2 { &app } else { &other };
            async move { count_in(app, "a", &format!("t{amount}"), amount).await }
        });
        futures_util::future::join_all(sends).await;
        assert_eq!((counted(&app, "a").await, kept.entries().await), (6, (1..=6).collect()));
        assert_eq!(kept.numbers("SELECT total FROM inline_sums ORDER BY name").await, [21, 21]);
        other.shutdown().await.unwrap();
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_inline_handler_writes_in_the_transaction_of_a_unit_of_work() {
    for kept in Kept::each() {
        let app = kept.lasting.start(kept.inline().include::<LiveSums>()).await;
        let mut work = app.unit_of_work().unwrap();
        for amount in [1, 2] {
            work.execute(Count { tally: format!("t{amount}"), group: "a".into(), amount }).await.unwrap();
        }
        assert_eq!(kept.entries().await, [0; 0]);
        work.commit().await.unwrap();
        assert_eq!((counted(&app, "a").await, kept.entries().await), (2, vec![1, 2]));

        kept.faults.fail("inline 4", 1);
        let mut work = app.unit_of_work().unwrap();
        for amount in [3, 4] {
            work.execute(Count { tally: format!("t{amount}"), group: "a".into(), amount }).await.unwrap();
        }
        work.commit().await.unwrap_err();
        assert_eq!((counted(&app, "a").await, kept.entries().await), (2, vec![1, 2]));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn commands_of_an_inline_handler_are_sent_exactly_if_the_events_are_stored() {
    for kept in Kept::each() {
        let app = kept.lasting.start(kept.inline().include::<LiveSums>()).await;
        kept.faults.fail("inline 77", 1);
        let refused = app.send(Count { tally: "a".into(), group: "a".into(), amount: 77 }).await;
        assert!(refused.is_err(), "{refused:?}");
        app.settled(PATIENCE).await.unwrap();
        count(&app, "a", 1).await;
        assert_eq!(counted(&app, "a").await, 1, "nothing was cleared");
        count(&app, "a", 77).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(counted(&app, "a").await, 0, "the command was sent, and cleared the group");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn handlers_become_inline_and_asynchronous_again_without_missing_or_repeating_an_event() {
    for kept in Kept::each() {
        let mut expected = Vec::new();
        let mut next = 0_i32;
        // A table is made by the program that was there first.
        kept.lasting.start(kept.inline()).await.shutdown().await.unwrap();
        for round in 0..6 {
            let inline = round % 2 == 1;
            let program = if inline { kept.inline() } else { kept.asynchronous() };
            let app = kept.lasting.start(program).await;
            for _ in 0..20 {
                next += 1;
                expected.push(next);
                count(&app, &format!("t{}", next % 7), next.into()).await;
            }
            if inline {
                assert_eq!(kept.entries().await, expected);
            } else if round == 4 {
                app.settled(PATIENCE).await.unwrap();
                assert_eq!(kept.entries().await, expected);
            }
            app.shutdown().await.unwrap();
        }
        let ids = kept.numbers("SELECT CAST(COUNT(DISTINCT id) AS INT) FROM inline_entries");
        let ids = match &kept.lasting {
            Lasting::File(_) => ids.await,
            _ => Vec::new(),
        };
        assert!(ids.iter().all(|count| *count == next), "one key for each event: {ids:?}");
    }
}

#[tokio::test]
async fn handlers_of_one_processor_run_in_one_way_and_ask_for_what_they_can_have() {
    struct Other;
    #[event_handlers(processor = "inline-ledger")]
    impl Other {
        #[handle]
        fn counted(&self, _event: &Counted) {}
    }
    struct Placed;
    #[event_handlers(processor = "inline-placed", inline)]
    impl Placed {
        #[handle]
        fn counted(&self, _event: &Counted, _recorded: &annals::message::Recorded) {}
    }
    let file = Lasting::file();
    let builder = tallies().include::<sqlite::Inline>().include::<Other>().include::<Placed>();
    let builder = builder.resource(sqlite::Inline(Faults::default())).resource(Other).resource(Placed);
    let refused = file.try_start(builder).await.unwrap_err();
    let StartError::Problems(problems) = &refused else { panic!("{refused:?}") };
    let mixed = problems.iter().find(|problem| matches!(problem, Problem::MixedProcessor { .. })).unwrap().to_string();
    assert!(
        mixed.contains("`inline-ledger`") && mixed.contains("inline (") && mixed.contains("asynchronous ("),
        "{mixed}"
    );
    let unmet = problems.iter().find(|problem| matches!(problem, Problem::Unmet { .. })).unwrap().to_string();
    assert!(unmet.contains("has no place yet"), "{unmet}");
}

#[tokio::test]
async fn the_answer_of_a_refused_append_names_the_handler() {
    let kept = Kept { lasting: Lasting::file(), faults: Faults::default() };
    let app = kept.lasting.start(kept.inline()).await;
    kept.faults.fail("inline 5", 1);
    let refused = app.send(Count { tally: "a".into(), group: "a".into(), amount: 5 }).await.unwrap_err();
    let SendError::Failed(CommandFailure::Handler { command, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(command, "inline-ledger (inline)");
    app.shutdown().await.unwrap();
}

//! Handlers with rows of their own: rows and tracking token commit together, so each event counts exactly once.

use std::str::FromStr;

use annals::app::Builder;
use annals::prelude::*;
use annals::registry::Problem;
use annals::{Annals, StartError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::given::{Dice, Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// Keeps a row for each event that it handles, in a table without a key: an event that is handled twice has two rows.
struct Ledger(Faults);

#[event_handlers(processor = "ledger")]
impl Ledger {
    #[handle]
    async fn counted(&self, event: &Counted, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        let insert = sqlx::query("INSERT INTO ledger (tally, amount) VALUES (?, ?)");
        insert.bind(&event.tally).bind(event.amount).execute(&mut **tx).await?;
        assert!(!self.0.strike(&format!("panic {}", event.amount)), "told to panic after writing");
        if self.0.strike(&event.amount.to_string()) {
            return Err(HandlerError::new("told to fail after writing"));
        }
        Ok(())
    }

    #[reset]
    async fn reset(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        assert!(!self.0.strike("reset"), "told to panic in the reset");
        sqlx::query("DELETE FROM ledger").execute(&mut **tx).await?;
        Ok(())
    }
}

#[derive(Query, Debug)]
#[query(name = "ledger.amounts", reply = Vec<i64>)]
struct Amounts {
    tally: String,
}

#[query_handlers]
impl Ledger {
    #[handle]
    async fn amounts(&self, query: Amounts, db: &SqlitePool) -> Result<Vec<i64>, QueryError> {
        let select = sqlx::query_scalar("SELECT amount FROM ledger WHERE tally = ? ORDER BY rowid");
        Ok(select.bind(query.tally).fetch_all(db).await?)
    }
}

/// A second component on the same processor.
struct Audit(Faults);

#[event_handlers(processor = "ledger", name = "audit")]
impl Audit {
    #[setup]
    async fn table(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        sqlx::query("CREATE TABLE IF NOT EXISTS audit (amount INTEGER)").execute(&mut **tx).await?;
        if self.0.strike("setup") {
            return Err(HandlerError::new("told to fail after setting up"));
        }
        Ok(())
    }

    #[handle]
    async fn counted(&self, event: &Counted, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        if self.0.strike(&format!("audit {}", event.amount)) {
            return Err(HandlerError::new("told to fail in the audit"));
        }
        sqlx::query("INSERT INTO audit (amount) VALUES (?)").bind(event.amount).execute(&mut **tx).await?;
        Ok(())
    }
}

async fn connection(file: &Lasting) -> SqliteConnection {
    let options = SqliteConnectOptions::from_str(&file.url()).unwrap();
    options.create_if_missing(true).connect().await.unwrap()
}

/// A file with the handlers' tables.
async fn file_with_tables() -> Lasting {
    let file = Lasting::file();
    let table = "CREATE TABLE ledger (tally TEXT, amount INTEGER)";
    sqlx::raw_sql(table).execute(&mut connection(&file).await).await.unwrap();
    file
}

fn ledger(faults: &Faults) -> Builder {
    tallies().include::<Ledger>().resource(Ledger(faults.clone()))
}

async fn amounts(app: &Annals, tally: &str) -> Vec<i64> {
    app.query(Amounts { tally: tally.into() }).await.unwrap()
}

#[tokio::test]
async fn a_handler_that_fails_after_writing_leaves_no_row() {
    for fault in ["7", "panic 7"] {
        let (file, faults) = (file_with_tables().await, Faults::default());
        faults.fail(fault, u32::MAX);
        let app = file.start(ledger(&faults)).await;
        count(&app, "bad", 7).await;
        count(&app, "good", 1).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(amounts(&app, "bad").await, [0; 0], "{fault}");
        assert_eq!(amounts(&app, "good").await, [1]);
        faults.heal(fault);
        let letters = app.processors().dead_letters("ledger").await.unwrap();
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert!(letters[0].error.contains("told to"), "{letters:?}");
        app.processors().retry(&letters[0]).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(amounts(&app, "bad").await, [7], "{fault}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn failures_in_between_count_nothing_twice_and_nothing_not_at_all() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    let mut dice = Dice::seeded(seed);
    let (file, faults) = (file_with_tables().await, Faults::default());
    let app = file.start(ledger(&faults).processors(|config| config.batch = 16)).await;
    for amount in 0..200 {
        match dice.below(6) {
            0 => faults.fail(amount.to_string(), 1 + u32::try_from(dice.below(3)).unwrap()),
            1 => faults.fail(format!("panic {amount}"), 1),
            _ => {}
        }
        count(&app, &format!("t{}", dice.below(5)), amount).await;
    }
    app.settled(PATIENCE).await.unwrap();
    let mut all = Vec::new();
    for tally in 0..5 {
        let of_tally = amounts(&app, &format!("t{tally}")).await;
        assert!(of_tally.is_sorted(), "in the order of the stream: {of_tally:?}");
        all.extend(of_tally);
    }
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<i64>>());
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_replay_clears_the_rows_and_writes_them_again() {
    let (file, faults) = (file_with_tables().await, Faults::default());
    let app = file.start(ledger(&faults)).await;
    for amount in 0..20 {
        count(&app, "t", amount).await;
    }
    app.settled(PATIENCE).await.unwrap();
    sqlx::query("UPDATE ledger SET amount = -1").execute(&mut connection(&file).await).await.unwrap();
    app.processors().replay("ledger").await.unwrap();
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(amounts(&app, "t").await, (0..20).collect::<Vec<i64>>());
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_reset_that_panics_refuses_the_replay_and_stops_nothing() {
    let (file, faults) = (file_with_tables().await, Faults::default());
    let app = file.start(ledger(&faults)).await;
    count(&app, "t", 1).await;
    app.settled(PATIENCE).await.unwrap();
    faults.fail("reset", 1);
    let refused = app.processors().replay("ledger").await.unwrap_err();
    assert!(refused.to_string().contains("told to panic"), "{refused}");
    count(&app, "t", 2).await;
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(amounts(&app, "t").await, [1, 2]);
    app.processors().replay("ledger").await.unwrap();
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(amounts(&app, "t").await, [1, 2]);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_component_that_fails_holds_up_no_other_one_of_its_processor() {
    let (file, faults) = (file_with_tables().await, Faults::default());
    faults.fail("audit 2", u32::MAX);
    let app = file.start(ledger(&faults).include::<Audit>().resource(Audit(faults.clone()))).await;
    for (tally, amount) in [("a", 1), ("b", 2), ("c", 3)] {
        count(&app, tally, amount).await;
    }
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(amounts(&app, "b").await, [2], "the other component has written its row");
    faults.heal("audit 2");
    for letter in app.processors().dead_letters("ledger").await.unwrap() {
        app.processors().retry(&letter).await.unwrap();
    }
    app.settled(PATIENCE).await.unwrap();
    let audited = "SELECT amount FROM audit ORDER BY amount";
    let audited: Vec<i64> = sqlx::query_scalar(audited).fetch_all(&mut connection(&file).await).await.unwrap();
    assert_eq!(audited, [1, 2, 3]);
    assert_eq!(amounts(&app, "b").await, [2], "and has not handled the event again");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_query_waits_for_the_rows_of_its_own_component() {
    let (file, faults) = (file_with_tables().await, Faults::default());
    let app = file.start(ledger(&faults)).await;
    for amount in 0..40 {
        let sent = count(&app, "t", amount).await;
        let seen = app.query(Amounts { tally: "t".into() }).after(&sent).await.unwrap();
        assert_eq!(seen.last(), Some(&amount));
    }
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_missing_table_is_a_failure_that_heals_when_the_table_is_there() {
    let (file, faults) = (Lasting::file(), Faults::default());
    let app = file.start(ledger(&faults).processors(|config| config.attempts = u32::MAX)).await;
    count(&app, "t", 1).await;
    let letter = async || app.processors().dead_letters("ledger").await.unwrap().pop();
    let letter = eventually("the event is put aside", letter).await;
    assert!(letter.error.contains("ledger"), "{letter:?}");
    sqlx::raw_sql("CREATE TABLE ledger (tally TEXT, amount INTEGER)")
        .execute(&mut connection(&file).await)
        .await
        .unwrap();
    app.settled(PATIENCE).await.unwrap();
    assert_eq!(amounts(&app, "t").await, [1]);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_for_another_store_is_found_at_start() {
    let started = ledger(&Faults::default()).store("memory:").start().await;
    let Err(StartError::Problems(problems)) = started else { panic!("it started") };
    let [Problem::Unmet { reason: pool, .. }, Problem::Unmet { reason: transaction, .. }] = &problems[..] else {
        panic!("{problems:?}")
    };
    assert!(pool.contains("Pool"), "{pool}");
    assert!(transaction.contains("SqliteTransaction") && transaction.contains("memory:"), "{transaction}");
}

#[tokio::test]
async fn a_setup_makes_its_table_and_leaves_what_is_there() {
    let (file, faults) = (file_with_tables().await, Faults::default());
    for rows in 1..=2 {
        let app = file.start(tallies().include::<Audit>().resource(Audit(faults.clone()))).await;
        count(&app, "t", rows).await;
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();
        let select = sqlx::query_scalar("SELECT count(*) FROM audit");
        let audited: i64 = select.fetch_one(&mut connection(&file).await).await.unwrap();
        assert_eq!(audited, rows);
    }
}

#[tokio::test]
async fn a_setup_that_fails_is_a_start_up_error_and_leaves_nothing() {
    let (file, faults) = (file_with_tables().await, Faults::default());
    faults.fail("setup", 1);
    let audit = tallies().include::<Audit>().resource(Audit(faults.clone())).store(file.url());
    let error = audit.start().await.unwrap_err();
    assert!(matches!(&error, StartError::Setup { component, .. } if component == "audit"), "{error}");
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'audit'";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection(&file).await).await.unwrap();
    assert_eq!(tables, 0);
}

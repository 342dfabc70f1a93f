//! Handlers with SQL of their own in the kit of a whole application.

use annals::prelude::*;
use annals::testing;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "kit-purse.deposit")]
struct Deposit {
    #[target]
    purse: String,
    amount: u64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "kit-purse.deposited")]
struct Deposited {
    amount: u64,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "kit-purse")]
struct Purse {
    amount: u64,
}

#[command_handlers]
impl Purse {
    #[handle(create_if_missing)]
    fn deposit(&self, command: Deposit) -> Deposited {
        Deposited { amount: command.amount }
    }
}

#[event_sourcing]
impl Purse {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.amount += event.amount;
    }
}

/// Deposits as rows.
#[derive(Default)]
struct Deposits;

#[event_handlers(processor = "kit-deposits")]
impl Deposits {
    #[setup]
    async fn table(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        sqlx::query("CREATE TABLE IF NOT EXISTS deposits (amount INTEGER)").execute(&mut **tx).await?;
        Ok(())
    }

    #[handle]
    async fn deposited(&self, event: &Deposited, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        let amount = i64::try_from(event.amount).map_err(|_| HandlerError::new("too much for a row"))?;
        sqlx::query("INSERT INTO deposits VALUES (?)").bind(amount).execute(&mut **tx).await?;
        Ok(())
    }
}

#[derive(Query, Debug)]
#[query(name = "kit-deposits.sum", reply = i64)]
struct Sum {}

#[query_handlers]
impl Deposits {
    #[handle]
    async fn sum(&self, _query: Sum, db: &SqlitePool) -> Result<i64, QueryError> {
        Ok(sqlx::query_scalar("SELECT COALESCE(SUM(amount), 0) FROM deposits").fetch_one(db).await?)
    }
}

#[tokio::test]
async fn handlers_with_sql_are_told_by_queries() {
    let builder = Annals::builder().without_discovery().include::<Purse>().include::<Deposits>();
    let builder = builder.resource(Deposits).store("sqlite::memory:");
    let app = testing::app(builder).given_of::<Purse>("p-1", Deposited { amount: 2 }).start().await;
    app.then_query(Sum {}, 2).await;
    app.when(Deposit { purse: "p-1".into(), amount: 3 }).await.then_events(Deposited { amount: 3 });
    app.then_query(Sum {}, 5).await;
    app.shutdown().await;
}

//! Two people send money to and fro at the same time.

use annals::prelude::*;
use bank::{Account, Bank, Deposit, OpenAccount, Transfer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let app = Annals::builder().store(&address).include::<Account>().include::<Bank>().start().await?;
    for account in ["ada", "bob"] {
        app.send(OpenAccount { account: account.to_owned() }).await?;
        app.send(Deposit { account: account.to_owned(), amount: 100 }).await?;
    }
    let transfer = |from: &str, to: &str, amount| Transfer { from: from.to_owned(), to: to.to_owned(), amount };
    for round in 0..10 {
        let (one, other) =
            tokio::join!(app.send(transfer("ada", "bob", 10 * round)), app.send(transfer("bob", "ada", 7 * round)),);
        for refused in [one.err(), other.err()].into_iter().flatten() {
            println!("round {round}: {refused}");
        }
    }
    let mut sum = 0;
    for account in ["ada", "bob"] {
        let balance = app.aggregate::<Account>(account).load().await?.map_or(0, |account| account.state.balance);
        println!("{account} has {balance}");
        sum += balance;
    }
    println!("together {sum}");
    app.shutdown().await?;
    Ok(())
}

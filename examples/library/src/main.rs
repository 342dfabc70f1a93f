//! A day at the desk.

use annals::prelude::*;
use library::{AcquireCopy, Bar, Extend, Forgive, Join, Leave, Lend, Return, WithdrawCopy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let app = Annals::open(&address).await?;
    let (title, member) = ("dune".to_owned(), "ada".to_owned());
    app.send(AcquireCopy { title: title.clone(), copy: 1 }).await?;
    app.send(Lend { title: title.clone(), copy: 1, loan: 1, reader: member.clone() }).await?;
    let again = Lend { title: title.clone(), copy: 1, loan: 2, reader: "bob".to_owned() };
    told("bob wants it as well", app.send(again).await.err());
    for _ in 0..3 {
        told("ada extends the loan", app.send(Extend { title: title.clone(), copy: 1, loan: 1 }).await.err());
    }
    app.send(Return { title: title.clone(), copy: 1, loan: 1 }).await?;
    app.send(WithdrawCopy { title: title.clone(), copy: 1 }).await?;
    let gone = Lend { title, copy: 1, loan: 2, reader: "bob".to_owned() };
    told("the copy is gone", app.send(gone).await.err());

    app.send(Join { member: member.clone() }).await?;
    app.send(Bar { member: member.clone(), fine: 5 }).await?;
    told("ada wants to leave", app.send(Leave { member: member.clone() }).await.err());
    app.send(Forgive { member: member.clone() }).await?;
    app.send(Leave { member: member.clone() }).await?;
    told("ada comes back", app.send(Join { member }).await.err());
    app.shutdown().await?;
    Ok(())
}

fn told<E: std::fmt::Display>(what: &str, refused: Option<E>) {
    match refused {
        Some(error) => println!("{what}: no, {error}"),
        None => println!("{what}: yes"),
    }
}

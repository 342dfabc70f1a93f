//! What the bus costs: one client, a store in memory, and two interceptors around each command.
//!
//! `plain` is an async function that does the same work without a bus: it decides on a state in a map, encodes the event and
//! appends it to the same kind of store.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Error;
use crate::annals::{Accounts as Application, Direct};
use crate::database::Database;
use crate::deposit::Accounts;
use crate::measure::{Load, drive};
use crate::report::{Case, Figures};
use crate::run::{Contest, Run};
use crate::subject::Subject;

const ACCOUNTS: Accounts = Accounts(1_000);
const INTERCEPTORS: u32 = 2;

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for clients in run.clients(&[1]) {
        run.contest(&Bus { clients }).await?;
    }
    Ok(())
}

struct Bus {
    clients: u32,
}

#[async_trait]
impl Contest for Bus {
    fn case(&self) -> Case {
        Case::new("bus", Database::Memory, self.clients).with("interceptors", INTERCEPTORS)
    }

    fn subjects(&self) -> &[Subject] {
        &[Subject::Annals, Subject::Plain]
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let load = Load { clients: self.clients, span: run.span() };
        let sample = if subject == Subject::Annals {
            let app = Application::intercepted("memory:").await?;
            for deposit in ACCOUNTS.first_deposits() {
                app.deposit(deposit).await?;
            }
            let sending = Arc::clone(&app);
            let sample = drive(load, move |call| {
                let app = Arc::clone(&sending);
                async move { app.deposit(ACCOUNTS.deposit(call.number)).await }
            })
            .await?;
            app.close().await?;
            sample
        } else {
            let direct = Direct::open("memory:").await?;
            for deposit in ACCOUNTS.first_deposits() {
                direct.deposit(deposit).await?;
            }
            let called = Arc::clone(&direct);
            let sample = drive(load, move |call| {
                let direct = Arc::clone(&called);
                async move { direct.deposit(ACCOUNTS.deposit(call.number)).await }
            })
            .await?;
            direct.close().await;
            sample
        };
        Ok(Figures::from(&sample))
    }
}

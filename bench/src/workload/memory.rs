//! One client and a store in memory: what the framework costs without a database, in time and in memory.
//!
//! `plain` is a map of accounts with their payloads, under a lock: no dispatch, no checks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::Depositor;
use super::commands::send;
use crate::Error;
use crate::database::Database;
use crate::deposit::Accounts;
use crate::machine::resident_mib;
use crate::measure::{Load, drive};
use crate::plain::Access;
use crate::report::{Case, Figures, Merge};
use crate::run::{Contest, Run};
use crate::subject::Subject;

const ACCOUNTS: Accounts = Accounts(1_000);

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for clients in run.clients(&[1]) {
        run.contest(&InMemory { clients }).await?;
    }
    Ok(())
}

struct InMemory {
    clients: u32,
}

#[async_trait]
impl Contest for InMemory {
    fn case(&self) -> Case {
        Case::new("memory", Database::Memory, self.clients).with("aggregates", ACCOUNTS.0)
    }

    fn subjects(&self) -> &[Subject] {
        &[Subject::Annals, Subject::Plain]
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let load = Load { clients: self.clients, span: run.span() };
        let before = resident_mib();
        let sample = if subject == Subject::Annals {
            let home = run.fresh(Database::Memory).await?;
            let depositor = Depositor::open(&home, subject, Access::Shared).await?;
            depositor.prepare(ACCOUNTS.first_deposits()).await?;
            let sample = send(&depositor, load, ACCOUNTS).await?;
            depositor.close(sample.operations() + u64::from(ACCOUNTS.0)).await?;
            sample
        } else {
            let map = Arc::new(Mutex::new(HashMap::<String, Vec<Vec<u8>>>::new()));
            drive(load, move |call| {
                let map = Arc::clone(&map);
                async move {
                    let deposit = ACCOUNTS.deposit(call.number);
                    let payload = serde_json::to_vec(&deposit)?;
                    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
                    map.entry(deposit.account).or_default().push(payload);
                    Ok(())
                }
            })
            .await?
        };
        let grown = resident_mib() - before;
        Ok(Figures::from(&sample).with("resident_mib", before + grown, Merge::Median))
    }
}

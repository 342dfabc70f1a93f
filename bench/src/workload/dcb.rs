//! Conditional appends: a consistency boundary is a tag, and an event with it may only be stored if nobody has stored
//! another one since the boundary was read.
//!
//! Apart: each client has a boundary of its own and knows where it stands, so that no append is refused. Contended: all
//! clients meet at a few boundaries; each reads what is new in one and appends to it, again and again until it is first.
//! Plain SQL does the same in one transaction under a lock on the tag; by hand, one writer that knows every boundary
//! never needs to look.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use annals::{Position, Tag};
use async_trait::async_trait;

use super::Depositor;
use crate::Error;
use crate::annals::Enrolled;
use crate::database::Database;
use crate::deposit::Deposit;
use crate::measure::{Call, Load, drive};
use crate::plain::Row;
use crate::report::{Case, Figures, Merge};
use crate::run::{Contest, Run};
use crate::subject::Subject;

const CLIENTS: u32 = 64;
/// Boundaries that all clients share in the contended case.
const SHARED: u32 = 8;

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for clients in run.clients(&[CLIENTS]) {
            for boundaries in [clients, SHARED.min(clients)] {
                run.contest(&Boundaries { database, clients, boundaries }).await?;
            }
        }
    }
    Ok(())
}

struct Boundaries {
    database: Database,
    clients: u32,
    /// As many as clients: one each.
    boundaries: u32,
}

#[async_trait]
impl Contest for Boundaries {
    fn case(&self) -> Case {
        Case::new("dcb", self.database, self.clients).with("boundaries", self.boundaries)
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let home = run.fresh(self.database).await?;
        let depositor = Depositor::open(&home, subject, run.access(self.database, self.clients)).await?;
        let known = Arc::new(Known::new(self.clients, self.boundaries));
        let load = Load { clients: self.clients, span: run.span() };
        let sample = {
            let (depositor, known) = (Arc::clone(&depositor), Arc::clone(&known));
            drive(load, move |call| {
                let (depositor, known) = (Arc::clone(&depositor), Arc::clone(&known));
                async move { known.enrol(&depositor, call).await }
            })
            .await?
        };
        depositor.close(sample.operations()).await?;
        home.remove().await?;
        let conflicts = f64::from(known.conflicts.load(Ordering::Relaxed));
        Ok(Figures::from(&sample).with("conflicts", conflicts, Merge::Median))
    }
}

/// What the clients know.
struct Known {
    boundaries: u32,
    /// Where each client has last seen each boundary.
    places: Vec<AtomicU64>,
    /// The newest version of each client's own stream.
    versions: Vec<AtomicU64>,
    conflicts: AtomicU32,
}

impl Known {
    fn new(clients: u32, boundaries: u32) -> Self {
        let zeros = |count: u32| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { boundaries, places: zeros(clients * boundaries), versions: zeros(clients), conflicts: AtomicU32::new(0) }
    }

    fn contended(&self) -> bool {
        self.boundaries != u32::try_from(self.versions.len()).unwrap_or(0)
    }

    /// Stores one event inside a boundary. Events go to a stream of the client's own, so that only the boundary matters.
    async fn enrol(&self, depositor: &Depositor, call: Call) -> Result<(), Error> {
        let boundary = if self.contended() { call.number % self.boundaries } else { call.client };
        let place = &self.places[(call.client * self.boundaries + boundary) as usize];
        let version = self.versions[call.client as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let deposit = Deposit::on(call.client, call.number);
        let tag = Tag::new("course", boundary);
        match depositor {
            Depositor::Annals(accounts) => loop {
                let mut after = Position::new(place.load(Ordering::Relaxed));
                if self.contended() {
                    after = accounts.boundary(tag.clone(), after).await?;
                }
                match accounts.append_if(&deposit, tag.clone(), after).await? {
                    Enrolled::At(position) => {
                        place.store(position.get(), Ordering::Relaxed);
                        return Ok(());
                    }
                    Enrolled::Conflict => {
                        place.store(after.get(), Ordering::Relaxed);
                        self.conflicts.fetch_add(1, Ordering::Relaxed);
                    }
                }
            },
            Depositor::Plain(table) => {
                let tag = format!("course:{boundary}");
                let after = (!self.contended()).then(|| place.load(Ordering::Relaxed).cast_signed());
                let row = Row::new(&deposit, version.cast_signed())?.tagged(&tag);
                let stored = table.insert_if(&row, &tag, after).await?.ok_or("an append was refused")?;
                place.store(stored.cast_unsigned(), Ordering::Relaxed);
                Ok(())
            }
            Depositor::Batched(group, _) => {
                group.append(vec![Row::new(&deposit, 0)?.tagged(format!("course:{boundary}"))]).await
            }
        }
    }
}

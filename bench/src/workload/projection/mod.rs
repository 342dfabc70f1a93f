//! A view that follows the store: catching up with many events (`projection`), how soon it has folded what was just
//! stored (`delay`), and what it asks of the database while nothing happens (`idle`).
//!
//! Catching up, an operation is one event, and the time runs from the program's start to the moment at which the view has folded
//! everything. `batched` is the same view by hand, in pages; `plain` is the view with one transaction and one upsert for
//! each event, for as long as a round takes.

mod delay;
mod idle;

use std::time::Instant;

use async_trait::async_trait;

use crate::Error;
use crate::annals;
use crate::database::{Database, Home};
use crate::deposit::Accounts;
use crate::measure::Sample;
use crate::plain;
use crate::report::{Case, Figures};
use crate::run::{Contest, Run};
use crate::subject::Subject;
use crate::totals::Totals;

/// How many documents the events are spread over: many that are cold, and few that are hot.
const DOCUMENTS: [u32; 2] = [10_000, 100];
/// Into how many segments the view is divided. The last is the default.
const SEGMENTS: [u32; 3] = [1, 4, 16];

pub(super) async fn run(run: &mut Run<'_>) -> Result<(), Error> {
    for database in run.databases() {
        for documents in DOCUMENTS {
            catch_up(run, database, Accounts(documents)).await?;
        }
    }
    for database in run.databases() {
        delay::run(run, database).await?;
    }
    if run.databases().contains(&Database::Postgres) && run.takes_part(Subject::Annals) {
        idle::run(run).await?;
    }
    Ok(())
}

async fn catch_up(run: &mut Run<'_>, database: Database, accounts: Accounts) -> Result<(), Error> {
    let home = run.fresh(database).await?;
    let events = u32::try_from(run.view_events())?;
    annals::fill(&home.url, (0..events).map(|number| accounts.deposit(number))).await?;
    for statement in at_rest(database) {
        home.execute((*statement).to_owned()).await?;
    }
    let mut expected = Totals::default();
    (0..events).for_each(|number| expected.add(accounts.deposit(number).cents));
    for segments in SEGMENTS {
        run.contest(&CatchUp { home: &home, documents: accounts.0, segments, expected }).await?;
    }
    home.remove().await
}

/// Brings a database to rest that was just filled.
fn at_rest(database: Database) -> &'static [&'static str] {
    match database {
        Database::Memory => &[],
        Database::Sqlite => &["PRAGMA wal_checkpoint(TRUNCATE)"],
        Database::Postgres => &["VACUUM (ANALYZE) annals_events", "CHECKPOINT"],
        Database::Mariadb => &["ANALYZE TABLE annals_events"],
    }
}

struct CatchUp<'a> {
    home: &'a Home,
    documents: u32,
    segments: u32,
    expected: Totals,
}

impl CatchUp<'_> {
    /// Removes what earlier rounds have left of the view.
    async fn forget(&self) -> Result<(), Error> {
        for table in ["annals_documents", "annals_segments"] {
            let clear = if self.home.database == Database::Sqlite { "DELETE FROM" } else { "TRUNCATE TABLE" };
            self.home.execute(format!("{clear} {table}")).await?;
        }
        if self.home.database == Database::Sqlite {
            self.home.execute("PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await?;
        }
        Ok(())
    }

    fn check(&self, totals: Totals) -> Result<(), Error> {
        if totals != self.expected {
            return Err(format!("{totals:?} are in the documents, {:?} were stored", self.expected).into());
        }
        Ok(())
    }
}

#[async_trait]
impl Contest for CatchUp<'_> {
    fn case(&self) -> Case {
        Case::new("projection", self.home.database, 1)
            .with("documents", self.documents)
            .with("events", self.expected.events)
            .with("segments", self.segments)
    }

    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error> {
        let mut events = self.expected.events;
        let elapsed = match subject {
            Subject::Annals => {
                self.forget().await?;
                let begun = Instant::now();
                let app = annals::Accounts::viewed(&self.home.url, Some(self.segments)).await?;
                app.caught_up(events).await?;
                let elapsed = begun.elapsed();
                self.check(app.viewed_totals().await?)?;
                app.close().await?;
                elapsed
            }
            Subject::Plain | Subject::Batched => {
                let mut documents = plain::project(self.home).await?;
                let begun = Instant::now();
                if subject == Subject::Batched {
                    plain::by_pages(&mut *documents).await?;
                } else {
                    events = plain::one_by_one(&mut *documents, run.span()).await?;
                }
                let elapsed = begun.elapsed();
                if events == self.expected.events {
                    self.check(plain::totals(&mut *documents).await?)?;
                }
                documents.close().await?;
                elapsed
            }
        };
        Ok(Figures::from(&Sample::new(elapsed, vec![elapsed])).times(events))
    }
}

//! One run: what is measured, on what, for how long, and what has come of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::Error;
use crate::arguments::Arguments;
use crate::database::{Database, Databases, Home, flush_ms};
use crate::machine::{Machine, load};
use crate::plain::Access;
use crate::report::{Case, Figures, Row};
use crate::subject::Subject;
use crate::workload::trial;

/// Time after which a quick run of a workload makes haste, so that it stays under two minutes.
const QUICK: Duration = Duration::from_secs(45);

/// Something that several subjects do in turn.
#[async_trait]
pub(crate) trait Contest: Sync {
    /// What is done.
    fn case(&self) -> Case;

    /// Has `subject` do it once.
    async fn round(&self, run: &Run<'_>, subject: Subject) -> Result<Figures, Error>;

    /// Who can do it.
    fn subjects(&self) -> &[Subject] {
        &Subject::ALL
    }
}

/// One run.
pub(crate) struct Run<'a> {
    arguments: &'a Arguments,
    databases: Databases,
    machine: String,
    rows: Vec<Row>,
    /// How plain SQL does best, by database and number of clients.
    access: BTreeMap<(Database, u32), Access>,
    /// When the present workload began.
    begun: Instant,
}

impl<'a> Run<'a> {
    /// Starts the servers that the arguments ask for.
    pub(crate) fn start(arguments: &'a Arguments) -> Result<Self, Error> {
        let databases = Databases::start(&arguments.databases(), arguments.dir.as_deref(), arguments.route())?;
        let machine = Machine::describe(databases.folder())?.to_string();
        println!("{machine}");
        Ok(Self { arguments, databases, machine, rows: Vec::new(), access: BTreeMap::new(), begun: Instant::now() })
    }

    /// Measures one case and keeps its rows.
    pub(crate) async fn contest(&mut self, contest: &dyn Contest) -> Result<(), Error> {
        let case = contest.case();
        let mut measured: Vec<_> = contest.subjects().iter().map(|subject| (*subject, Vec::new())).collect();
        measured.retain(|(subject, _)| self.takes_part(*subject));
        self.find_access(case.database, case.clients).await?;
        let title =
            [case.workload.to_owned(), format!("{}, {} clients", case.database.name(), case.clients), case.detail()];
        let title = title.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        for round in 0..self.rounds() {
            // Nobody has the first place of every round.
            measured.rotate_left(usize::from(round > 0));
            for (subject, figures) in &mut measured {
                figures.push(
                    contest
                        .round(self, *subject)
                        .await
                        .map_err(|error| format!("{title}, {}: {error}", subject.name()))?,
                );
            }
        }
        measured.sort_by_key(|(subject, _)| *subject);
        let rows = self.keep(&case, &measured);
        let rates = rows.iter().map(|row| format!("{} {:.0}/s", row.subject.name(), row.ops_per_second));
        println!("{title}: {}", rates.collect::<Vec<_>>().join(", "));
        Ok(())
    }

    /// Keeps the rows of a case.
    pub(crate) fn keep(&mut self, case: &Case, measured: &[(Subject, Vec<Figures>)]) -> &mut [Row] {
        let access = self.access.get(&(case.database, case.clients)).map(Access::to_string);
        let kept = self.rows.len();
        self.rows.extend(Row::of(case, measured, access.as_deref(), &self.machine));
        &mut self.rows[kept..]
    }

    /// Finds out how plain SQL does best with so many clients, unless that is known or of no use.
    pub(crate) async fn find_access(&mut self, database: Database, clients: u32) -> Result<(), Error> {
        let needed = self.takes_part(Subject::Plain) && database != Database::Memory;
        if needed && !self.access.contains_key(&(database, clients)) {
            let access = self.best_access(database, clients).await?;
            self.access.insert((database, clients), access);
        }
        Ok(())
    }

    /// A new, empty database.
    pub(crate) async fn fresh(&self, database: Database) -> Result<Home, Error> {
        self.databases.fresh(database).await
    }

    /// Rounds of each subject. On a machine so slow that a short run would become a long one, there is but one.
    pub(crate) fn rounds(&self) -> u32 {
        let late = self.arguments.quick && self.begun.elapsed() > QUICK;
        if late { 1 } else { self.arguments.rounds }
    }

    /// Begins a workload; tells how busy the machine and its disk are.
    pub(crate) fn begin(&mut self) -> Result<String, Error> {
        self.begun = Instant::now();
        let flush = format!("flush to disk {:.2} ms", flush_ms(self.databases.folder())?);
        Ok(load().map_or_else(|| flush.clone(), |load| format!("load {load}, {flush}")))
    }

    /// Whether `subject` was asked for.
    pub(crate) fn takes_part(&self, subject: Subject) -> bool {
        self.arguments.subject.is_empty() || self.arguments.subject.contains(&subject)
    }

    /// How long each subject is measured in each round.
    pub(crate) fn span(&self) -> Duration {
        self.arguments.span()
    }

    /// Those of a workload's databases that were asked for.
    pub(crate) fn databases(&self) -> Vec<Database> {
        self.arguments.databases()
    }

    /// Those of a workload's numbers of clients that were asked for; all of them if no number was.
    pub(crate) fn clients(&self, usual: &[u32]) -> Vec<u32> {
        if self.arguments.clients.is_empty() { usual.to_vec() } else { self.arguments.clients.clone() }
    }

    /// Events that the store of `growth` holds beforehand.
    pub(crate) fn events(&self) -> u64 {
        self.arguments.events()
    }

    /// Events that the store of `projection` holds beforehand.
    pub(crate) fn view_events(&self) -> u64 {
        self.arguments.view_events()
    }

    /// How plain SQL comes to its connections.
    pub(crate) fn access(&self, database: Database, clients: u32) -> Access {
        self.access.get(&(database, clients)).copied().unwrap_or(Access::Shared)
    }

    pub(crate) fn machine(&self) -> &str {
        &self.machine
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The way to connections at which plain SQL does best here, so that it is measured at its best. Each is tried twice
    /// and the faster time counts: what else goes on in the machine can only slow it down.
    async fn best_access(&self, database: Database, clients: u32) -> Result<Access, Error> {
        if let Some(access) = self.arguments.access() {
            return Ok(access);
        }
        let pools = [2, 4, 16, 64].into_iter().filter(|size| *size <= clients).map(Access::Pool);
        let mut rates: Vec<_> = std::iter::once(Access::Shared).chain(pools).map(|access| (access, 0.0_f64)).collect();
        if self.arguments.quick || rates.len() == 1 {
            // What such trials have mostly come to: SQLite has one writer at a time.
            let usual = if database == Database::Sqlite || clients == 1 {
                Access::Shared
            } else {
                Access::Pool(clients.min(16))
            };
            return Ok(usual);
        }
        for _ in 0..2 {
            for (access, rate) in &mut rates {
                *rate = rate.max(trial(self, database, clients, *access).await?);
            }
        }
        for (access, rate) in &rates {
            println!("trial: plain SQL on {} with {clients} clients, {access}: {rate:.0} commands/s", database.name());
        }
        let best = rates.into_iter().max_by(|one, other| one.1.total_cmp(&other.1));
        Ok(best.map_or(Access::Shared, |(access, _)| access))
    }
}

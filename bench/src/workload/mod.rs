//! What is measured. Each workload is a file; each of its cases is a [`crate::run::Contest`].

mod append;
mod bus;
mod commands;
mod dcb;
mod depositor;
mod growth;
mod memory;
mod projection;
mod reading;
mod sagas;
mod tail;
#[cfg(test)]
mod tests;

use clap::ValueEnum;

use crate::Error;
use crate::run::Run;

pub(crate) use commands::trial;
use depositor::Depositor;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Commands over 1,000 aggregates from 1, 8, 64 and 256 clients, and from 64 clients over one.
    Commands,
    /// Appends of 1, 10 and 100 events, without the command side.
    Append,
    /// The state of one aggregate from 10,000 and from 100,000 events.
    Replay,
    /// Every event of a store, in order.
    Scan,
    /// Appends under a condition over a tag: without conflicts, and with many clients at few tags.
    Dcb,
    /// A live reader beside 32 writers: what it misses, and how late it is.
    Tail,
    /// Commands from one client with a store in memory: what the framework itself costs.
    Memory,
    /// Commands with two interceptors from one client, beside a plain async function: what the bus itself costs.
    Bus,
    /// Commands on a store that holds many events already, beside an empty one.
    Growth,
    /// A view: catching up with many events, its delay, and what it costs while nothing happens.
    Projection,
    /// Orders decided through a saga, beside the commands of the bare aggregates; with and without many open sagas.
    Sagas,
}

impl Workload {
    pub(crate) const ALL: [Self; 11] = [
        Self::Commands,
        Self::Append,
        Self::Replay,
        Self::Scan,
        Self::Dcb,
        Self::Tail,
        Self::Memory,
        Self::Bus,
        Self::Growth,
        Self::Projection,
        Self::Sagas,
    ];

    /// Measures all of its cases.
    pub(crate) async fn run(self, run: &mut Run<'_>) -> Result<(), Error> {
        let name = self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        println!("\n{name} ({})", run.begin()?);
        match self {
            Self::Commands => commands::run(run).await,
            Self::Append => append::run(run).await,
            Self::Replay => reading::replay(run).await,
            Self::Scan => reading::scan(run).await,
            Self::Dcb => dcb::run(run).await,
            Self::Tail => tail::run(run).await,
            Self::Memory => memory::run(run).await,
            Self::Bus => bus::run(run).await,
            Self::Growth => growth::run(run).await,
            Self::Projection => projection::run(run).await,
            Self::Sagas => sagas::run(run).await,
        }
    }
}

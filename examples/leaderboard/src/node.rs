//! An application as one of several nodes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use annals::prelude::*;
use annals::processor::{ProcessorError, ProcessorStatus};
use annals::view::{ViewHandlers, processor_name};

use crate::game::Game;

/// Into how many shares the view is divided: so many nodes can work on it at most.
pub const SEGMENTS: u32 = 4;

/// Opens an application called `name`, with games and the view `V`.
///
/// A program has one version of a view; here old and new program are one, and say which they mean.
///
/// # Errors
/// When the store cannot be opened, or something is wrong with what is declared.
pub async fn open<V: ViewHandlers>(address: &str, name: &str) -> annals::Result<Annals> {
    let builder = Annals::builder().store(address).without_discovery().include::<Game>().include::<V>();
    let builder = builder.processors(|all| all.segments = SEGMENTS).node(|node| node.name = name.to_owned());
    Ok(builder.start().await?)
}

/// How the processor of the view `V` is doing, on all nodes.
///
/// # Errors
/// When the store does not answer, or the program does not have the view.
pub async fn status<V: ViewHandlers>(app: &Annals) -> Result<ProcessorStatus, ProcessorError> {
    let all = app.processors().status().await?;
    let known = all.iter().map(|status| status.name.clone()).collect();
    let processor = processor_name::<V>();
    let own = all.into_iter().find(|status| status.name == processor);
    own.ok_or(ProcessorError::Unknown { processor, known })
}

/// How many segments each node works on, by the names of the nodes.
#[must_use]
pub fn shares(status: &ProcessorStatus) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for owner in status.segments.iter().filter_map(|segment| segment.owner_name.clone()) {
        *shares.entry(owner).or_default() += 1;
    }
    shares
}

/// Waits until the nodes called `names`, and no others, work on the segments of the view `V`, each on as many as the
/// others. Gives up after a while.
///
/// # Errors
/// When the store does not answer, or when it takes too long.
pub async fn shared<V: ViewHandlers>(
    app: &Annals,
    names: &[&str],
) -> Result<ProcessorStatus, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    loop {
        let status = status::<V>(app).await?;
        let shares = shares(&status);
        let each = SEGMENTS as usize / names.len();
        if shares.len() == names.len() && names.iter().all(|name| shares.get(*name) == Some(&each)) {
            return Ok(status);
        }
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(format!("the segments are with {shares:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the view `V` is built and read, and tells meanwhile how far it is. Gives up after a while.
///
/// # Errors
/// When the store does not answer, or when it takes too long.
pub async fn built<V: ViewHandlers>(
    app: &Annals,
    mut tell: impl FnMut(&ProcessorStatus),
) -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    loop {
        let status = status::<V>(app).await?;
        tell(&status);
        if !status.building {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(30) {
            return Err("the view is not built in time".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

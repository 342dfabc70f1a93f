//! Appends as a framework makes them, without its command side.

use std::sync::Arc;

use annals::Tag;
use annals::prelude::*;
use annals::store::{Append, AppendError, Condition, Criterion, Expected, NewEvent, Read};

use super::Accounts;
use super::account::{Account, Deposited};
use crate::Error;
use crate::deposit::Deposit;

impl Accounts {
    /// Appends `deposits`, all on one account, which has so many events so far.
    pub(crate) async fn append(&self, deposits: &[Deposit], so_far: u64) -> Result<(), Error> {
        let Some(first) = deposits.first() else { return Ok(()) };
        let stream = stream(first);
        let events = deposits.iter().map(|deposit| self.event(deposit, &stream, Vec::new()));
        let append = Append {
            events: events.collect::<Result<_, _>>()?,
            expected: vec![(stream, Expected::exactly(Version::new(so_far)))],
            ..Append::default()
        };
        self.journal().append(append).await?;
        Ok(())
    }

    /// Appends `deposit` with a tag, if no event with this tag was stored after `after`.
    pub(crate) async fn append_if(&self, deposit: &Deposit, tag: Tag, after: Position) -> Result<Enrolled, Error> {
        let append = Append {
            events: vec![self.event(deposit, &stream(deposit), vec![tag.clone()])?],
            condition: Some(Condition { criteria: Criterion::tag(tag).into(), after }),
            ..Append::default()
        };
        match self.journal().append(append).await {
            Ok(appended) => Ok(Enrolled::At(appended.position)),
            Err(AppendError::Conflict(_)) => Ok(Enrolled::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what was stored with this tag after `after`, as a decision does; gives the place up to which it has looked.
    pub(crate) async fn boundary(&self, tag: Tag, mut after: Position) -> Result<Position, Error> {
        let mut reader = self.journal().reader(Read::matching(Criterion::tag(tag), after));
        while let Some(page) = reader.next_page().await? {
            for event in &page.events {
                for part in self.journal().decode(event).await? {
                    part.into_event::<Deposited>()?;
                }
            }
            after = page.scanned;
        }
        Ok(after)
    }

    fn event(&self, deposit: &Deposit, stream: &StreamId, tags: Vec<Tag>) -> Result<NewEvent, Error> {
        let Deposit { account, cents, reference } = deposit.clone();
        Ok(NewEvent {
            stream: stream.clone(),
            id: EventId::new(),
            name: Deposited::NAME.into(),
            revision: Deposited::REVISION,
            payload: self.journal().payloads().encode(&Deposited { account, cents, reference })?,
            metadata: Arc::default(),
            tags,
            recorded_at: self.journal().now(),
        })
    }
}

/// What came of a conditional append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enrolled {
    /// It was stored at this position.
    At(Position),
    /// Another one was first.
    Conflict,
}

fn stream(deposit: &Deposit) -> StreamId {
    StreamId::new(<Account as Aggregate>::NAME, deposit.account.clone())
}

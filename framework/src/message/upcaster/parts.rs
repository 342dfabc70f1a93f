//! What a stored event is today.

use crate::message::{Decode, Payloads, RecordedEvent, UpcastError, Upcasters};

use super::Pass;

/// The parts of a stored event, each ready to be decoded: one, unless upcasters turned it into several or none.
#[derive(Debug)]
pub struct Parts<'a>(Inner<'a>);

#[derive(Debug)]
enum Inner<'a> {
    Stored(Option<Decode<'a>>),
    Lifted { parts: std::vec::IntoIter<Decode<'a>>, split: bool },
}

impl<'a> Parts<'a> {
    /// Lifts `event`, as far as steps lead. `pass` is what the upcasters of the stream's earlier events have left.
    ///
    /// # Errors
    /// When an upcaster fails, or asks for a pass where there is none.
    pub fn lift(
        event: &'a RecordedEvent,
        upcasters: &Upcasters,
        payloads: &'a Payloads,
        pass: Option<&mut Pass>,
    ) -> Result<Self, UpcastError> {
        let recorded = &event.recorded;
        match upcasters.lift(&recorded.name, recorded.revision, &event.payload, Some(recorded), payloads, pass)? {
            None => Ok(Self(Inner::Stored(Some(Decode::of(event, payloads))))),
            Some(lifted) => {
                let split = lifted.split;
                let parts: Vec<Decode<'a>> =
                    (0..).zip(lifted.parts).map(|(part, lifted)| Decode::lifted(lifted, part, payloads)).collect();
                Ok(Self(Inner::Lifted { parts: parts.into_iter(), split }))
            }
        }
    }

    /// Whether upcasters may have turned the event into other than one.
    pub(crate) fn is_split(&self) -> bool {
        matches!(&self.0, Inner::Lifted { split: true, .. })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Decode<'a>;

    fn next(&mut self) -> Option<Decode<'a>> {
        match &mut self.0 {
            Inner::Stored(decode) => decode.take(),
            Inner::Lifted { parts, .. } => parts.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Inner::Stored(decode) => usize::from(decode.is_some()),
            Inner::Lifted { parts, .. } => parts.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Parts<'_> {}

//! What upcasters remember while they read a stream.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

/// A scratch pad for one pass over one stream: what the upcasters of a stream's earlier events have left for those of its later
/// ones. An upcaster asks for it as `pass: &mut Pass`.
///
/// Its content before an event is a function of the stream's earlier events alone, whoever reads the event: an
/// aggregate, a decision, a processor that begins in the middle, a dead letter, an export. Where the earlier events
/// were not read in the same pass, those that upcasters with a `Pass` lift are read and lifted again for it. So an upcaster
/// must leave and use nothing but what follows from payloads and [`Recorded`](crate::message::Recorded). Events that were removed
/// from the stream leave nothing.
///
/// Each type has one value in it; use a type of one's own.
///
/// ```
/// use annals::message::Pass;
///
/// #[derive(Default)]
/// struct Currency(String);
///
/// let mut pass = Pass::default();
/// pass.entry::<Currency>().0 = "EUR".to_owned();
/// assert_eq!(pass.get::<Currency>().map(|currency| currency.0.as_str()), Some("EUR"));
/// ```
#[derive(Default)]
pub struct Pass(HashMap<TypeId, Box<dyn Any + Send>>);

impl Pass {
    /// The value of type `T`; its default where none was left yet.
    pub fn entry<T: Default + Send + 'static>(&mut self) -> &mut T {
        let value = self.0.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        // The entry of a type holds that type; if it did not, it would be replaced.
        if !value.is::<T>() {
            *value = Box::new(T::default());
        }
        match value.downcast_mut() {
            Some(value) => value,
            None => unreachable!("the value was just made"),
        }
    }

    /// The value of type `T`, if an earlier event has left one.
    #[must_use]
    pub fn get<T: Send + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pass").field(&self.0.len()).finish()
    }
}

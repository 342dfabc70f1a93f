//! Commands that are expected: each told exactly, or one by what is true of it.

use std::marker::PhantomData;

use crate::command::CommandMessage;
use crate::message::{Command, Json};

use super::matcher::{equal, holds};
use super::messages::Comparison;

/// Commands of any kind: one, an array, a `Vec`, a tuple, or `()`.
pub trait Commands {
    /// Adds name and payload of each, in order.
    #[doc(hidden)]
    fn add_to(self, commands: &mut Vec<(String, Json)>);

    /// Adds how commands of these types are read from a message on its way.
    #[doc(hidden)]
    fn readers(readers: &mut Vec<Reader>);
}

/// The payload of a command message, if it is of the type that is read.
pub(super) type Reader = fn(&CommandMessage) -> Option<Json>;

impl<C: Command> Commands for C {
    fn add_to(self, commands: &mut Vec<(String, Json)>) {
        let payload = serde_json::to_value(&self).unwrap_or_else(|error| panic!("`{}`: {error}", C::NAME));
        commands.push((C::NAME.to_owned(), payload));
    }

    fn readers(readers: &mut Vec<Reader>) {
        readers.push(read::<C>);
    }
}

impl<T: Commands> Commands for Vec<T> {
    fn add_to(self, commands: &mut Vec<(String, Json)>) {
        self.into_iter().for_each(|command| command.add_to(commands));
    }

    fn readers(readers: &mut Vec<Reader>) {
        T::readers(readers);
    }
}

impl<T: Commands, const N: usize> Commands for [T; N] {
    fn add_to(self, commands: &mut Vec<(String, Json)>) {
        self.into_iter().for_each(|command| command.add_to(commands));
    }

    fn readers(readers: &mut Vec<Reader>) {
        T::readers(readers);
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Commands),*> Commands for ($($part,)*) {
            #[allow(non_snake_case, unused_variables, reason = "the empty tuple uses nothing")]
            fn add_to(self, commands: &mut Vec<(String, Json)>) {
                let ($($part,)*) = self;
                $($part.add_to(commands);)*
            }

            #[allow(unused_variables, reason = "the empty tuple uses nothing")]
            fn readers(readers: &mut Vec<Reader>) {
                $($part::readers(readers);)*
            }
        }
    )*};
}
tuples! { () (A) (A B) (A B C) (A B C D) (A B C D E) }

/// What one sent command is to be like: a command, or [`sending`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell a command",
    note = "expected a command, or `sending::<PlaceOrder>(|command| ..)`"
)]
pub trait CommandMatcher {
    /// The stored name of the command.
    #[doc(hidden)]
    fn name(&self) -> &'static str;

    /// How it is read from a message on its way.
    #[doc(hidden)]
    fn read(&self, message: &CommandMessage) -> Option<Json>;

    /// In what `payload` is not as it is to be; `None` when it is.
    #[doc(hidden)]
    fn misses(&self, payload: &Json, comparison: &Comparison) -> Option<Vec<String>>;
}

/// A command of the type `C` for which `holds` is true.
///
/// ```
/// use annals::prelude::*;
/// use annals::testing::{given_saga, sending};
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.on")] struct On { lamp: String }
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "lamp.dim")]
/// # struct Dim { #[target] lamp: String, percent: u8 }
/// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "saver")] struct Saver {}
/// # #[saga_handlers] impl Saver {
/// #     #[start(by = lamp)] fn on(&mut self, event: &On, effects: &mut Effects) {
/// #         effects.send(Dim { lamp: event.lamp.clone(), percent: 40 });
/// #     }
/// # }
/// # fn main() {
/// given_saga::<Saver>(())
///     .when(On { lamp: "hall".into() })
///     .then_sends_one(sending::<Dim>(|command| command.percent < 50));
/// # }
/// ```
pub fn sending<C: Command>(holds: impl Fn(&C) -> bool) -> impl CommandMatcher {
    Sending { holds, command: PhantomData }
}

struct Sending<C, F> {
    holds: F,
    command: PhantomData<fn(&C)>,
}

impl<C: Command, F: Fn(&C) -> bool> CommandMatcher for Sending<C, F> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn read(&self, message: &CommandMessage) -> Option<Json> {
        read::<C>(message)
    }

    fn misses(&self, payload: &Json, _: &Comparison) -> Option<Vec<String>> {
        holds(payload, &self.holds)
    }
}

impl<C: Command> CommandMatcher for C {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn read(&self, message: &CommandMessage) -> Option<Json> {
        read::<C>(message)
    }

    fn misses(&self, payload: &Json, comparison: &Comparison) -> Option<Vec<String>> {
        equal(C::NAME, self, payload, comparison)
    }
}

fn read<C: Command>(message: &CommandMessage) -> Option<Json> {
    message.command::<C>().and_then(|command| serde_json::to_value(command).ok())
}

//! Identifiers of messages and sagas.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier: UUID version 7, so that identifiers made later sort later.
            ///
            /// Source: RFC 9562, section 5.7.
            #[must_use]
            #[expect(clippy::disallowed_methods, reason = "this is the one module that draws random ids")]
            #[expect(clippy::new_without_default, reason = "two fresh identifiers differ, so none is the default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier that always belongs to `name` inside `scope`: UUID version 5.
            ///
            /// Whoever repeats the work under the same name repeats the same identifier.
            /// Source: RFC 9562, section 5.5.
            #[must_use]
            pub fn derived(scope: Uuid, name: &str) -> Self {
                Self(Uuid::new_v5(&scope, name.as_bytes()))
            }

            /// The identifier as a UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

identifier! {
    /// Identifies one event. The store keeps an event id at most once.
    EventId
}

identifier! {
    /// Identifies one command. A repeat under the same id gets the first answer.
    CommandId
}

identifier! {
    /// Identifies one saga instance.
    SagaId
}

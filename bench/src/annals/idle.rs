//! An application with ten processors and nothing to do.

use std::sync::Arc;

use annals::prelude::*;

use super::Accounts;
use super::account::{Account, Deposited};
use crate::Error;

macro_rules! views {
    ($($view:ident = $name:literal),+) => {
        $(
            #[derive(View, Serialize, Deserialize, Default, Debug, Clone)]
            #[view(name = $name, key = String)]
            struct $view {
                deposits: u64,
            }

            #[view_handlers]
            impl $view {
                #[handle(key = account)]
                fn deposited(&mut self, _: &Deposited) {
                    self.deposits += 1;
                }
            }
        )+

        fn with_all(builder: annals::app::Builder) -> annals::app::Builder {
            builder$(.include::<$view>())+
        }

        /// How many there are.
        pub(crate) const IDLE_PROCESSORS: u32 = [$($name),+].len() as u32;
    };
}

views!(
    First = "first",
    Second = "second",
    Third = "third",
    Fourth = "fourth",
    Fifth = "fifth",
    Sixth = "sixth",
    Seventh = "seventh",
    Eighth = "eighth",
    Ninth = "ninth",
    Tenth = "tenth"
);

impl Accounts {
    /// Opens the store at `url` with [`IDLE_PROCESSORS`] views.
    pub(crate) async fn idle(url: &str) -> Result<Arc<Self>, Error> {
        let builder = Annals::builder().store(url).without_discovery().include::<Account>();
        Ok(Arc::new(Self { app: with_all(builder).start().await? }))
    }
}

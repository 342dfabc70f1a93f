#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "account")]
enum Account {
    #[default]
    Unopened,
    Open(Open),
    Closed,
}

#[derive(Clone)]
struct Open;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "account.opened")]
struct AccountOpened;

#[event_sourcing]
impl Account {
    #[apply(when = Unopened, then = Open)]
    fn opened(_event: &AccountOpened) {}
}

fn main() {}

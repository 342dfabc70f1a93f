#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "order")]
struct Order;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
}

#[event_sourcing(ignore("", "a", "a"), skip)]
impl Order {
    #[apply]
    async fn placed(&self, event: OrderPlaced) {}

    #[apply]
    fn put(&mut self, event: &OrderPlaced, now: Now) -> bool {
        todo!()
    }

    #[upcast(from = 1)]
    fn noted(&mut self) {}
}

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "account")]
enum Account {
    #[default]
    Unopened,
    Open(Open),
}

#[derive(Clone)]
struct Open;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "account.opened")]
struct AccountOpened;

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "account.closed")]
struct AccountClosed;

#[event_sourcing(skip)]
impl Account {
    #[apply(when = Frozen, then = Gone)]
    fn opened(_event: &AccountOpened) {}

    #[apply(when = open)]
    fn closed(open: &mut Open, _event: &AccountClosed) {}
}

fn main() {}

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

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, _event: &OrderPlaced) {}
}

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "order.cancel")]
struct CancelOrder {
    #[target]
    order: String,
}

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "order.place")]
struct PlaceOrder {
    #[target]
    order: String,
}

#[command_handlers]
impl Order {
    #[handle]
    fn place(command: PlaceOrder) -> OrderPlaced {
        todo!()
    }

    #[handle(make)]
    fn cancel(self, command: &mut CancelOrder, text: &str) -> OrderPlaced {
        todo!()
    }

    #[handle]
    fn put(&mut self, command: PlaceOrder) -> OrderPlaced {
        todo!()
    }

    #[handle]
    async fn ship() {
        todo!()
    }

    #[apply]
    fn put_down(&mut self, event: &OrderPlaced) {}
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
#[event(name = "account.closed")]
struct AccountClosed;

#[event_sourcing]
impl Account {
    #[apply]
    fn closed(&mut self, _event: &AccountClosed) {}
}

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "account.close")]
struct Close {
    #[target]
    account: String,
}

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "account.freeze")]
struct Freeze {
    #[target]
    account: String,
}

#[command_handlers]
impl Account {
    #[handle(when = Frozen)]
    fn close(_command: Close) -> AccountClosed {
        AccountClosed
    }

    #[handle(when = open)]
    fn freeze(open: &Open, _command: Freeze, now: Now) -> AccountClosed {
        AccountClosed
    }
}

fn main() {}

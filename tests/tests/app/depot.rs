//! A domain whose stored commands and snapshots have a past.

use annals::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("there is no room for {pieces}")]
pub struct Full {
    pub pieces: u32,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "depot.order", revision = 3, error = Full)]
pub struct Order {
    #[target]
    pub depot: String,
    pub pieces: u32,
    pub note: String,
}

#[derive(Deserialize)]
struct OrderV1 {
    depot: String,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct OrderV2 {
    depot: String,
    pieces: u32,
}

#[upcasters]
impl Order {
    #[upcast(from = 1)]
    fn pieces(old: OrderV1) -> Result<OrderV2, String> {
        match old.count {
            0 => Err("nothing was ordered".to_owned()),
            pieces => Ok(OrderV2 { depot: old.depot, pieces }),
        }
    }

    #[upcast(from = 2)]
    fn note(old: OrderV2) -> Order {
        Order { depot: old.depot, pieces: old.pieces, note: "of old".to_owned() }
    }

    #[upcast(name = "depot.request", from = 1, to = 2)]
    fn renamed(mut old: Json) -> Json {
        old["pieces"] = old["number"].take();
        old
    }
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "depot.ordered")]
pub struct Ordered {
    pub pieces: u32,
    pub note: String,
}

/// Its snapshots had one number, then a list of them.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "depot", snapshot(revision = 3))]
pub struct Depot {
    pub orders: Vec<(u32, String)>,
}

#[derive(Deserialize)]
struct DepotV1 {
    pieces: u32,
}

#[derive(Serialize, Deserialize)]
struct DepotV2 {
    orders: Vec<u32>,
}

#[upcasters]
impl Depot {
    #[upcast(from = 1)]
    fn list(old: DepotV1) -> DepotV2 {
        DepotV2 { orders: vec![old.pieces] }
    }

    #[upcast(from = 2)]
    fn notes(old: DepotV2) -> Depot {
        assert!(!old.orders.contains(&13), "an upcaster that panics");
        Depot { orders: old.orders.into_iter().map(|pieces| (pieces, "lifted".to_owned())).collect() }
    }
}

#[command_handlers]
impl Depot {
    #[handle(create_if_missing)]
    fn order(&self, command: Order) -> Result<Ordered, Full> {
        match command.pieces {
            pieces @ 100.. => Err(Full { pieces }),
            pieces => Ok(Ordered { pieces, note: command.note }),
        }
    }
}

#[event_sourcing]
impl Depot {
    #[apply]
    fn ordered(&mut self, event: &Ordered) {
        self.orders.push((event.pieces, event.note.clone()));
    }
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "depot.emptied")]
pub struct Emptied {
    pub depot: String,
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "supply")]
pub struct Supply {
    depot: String,
}

#[saga_handlers]
impl Supply {
    #[start(by = depot)]
    fn emptied(&mut self, event: &Emptied, effects: &mut Effects) {
        self.depot = event.depot.clone();
        effects.send(Order { depot: event.depot.clone(), pieces: 7, note: "fresh".into() });
    }

    #[rejected]
    fn full(&mut self, command: &Order, why: &Full, effects: &mut Effects) {
        let note = format!("{} was too much of `{}`", why.pieces, command.note);
        effects.send(Order { depot: command.depot.clone(), pieces: 1, note });
    }
}

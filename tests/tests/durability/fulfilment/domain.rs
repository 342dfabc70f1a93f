//! Purchases with three participants. None of these would notice that it does something twice.

use std::collections::BTreeMap;
use std::time::Duration;

use annals::app::Builder;
use annals::prelude::*;

/// How long a purchase waits for its carrier.
const CARRIER_TIME: Duration = Duration::from_millis(400);
/// What one piece costs.
pub(super) const PRICE: u64 = 7;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "purchase.place")]
pub(super) struct Place {
    #[target]
    pub(super) purchase: String,
    pub(super) sku: String,
    pub(super) wallet: String,
    pub(super) quantity: u64,
    /// Whether the carrier never says that it comes.
    pub(super) absent: bool,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "purchase.placed")]
pub(super) struct Placed {
    pub(super) purchase: String,
    pub(super) sku: String,
    pub(super) wallet: String,
    pub(super) quantity: u64,
    pub(super) absent: bool,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "purchase.decide")]
pub(super) struct Decide {
    #[target]
    pub(super) purchase: String,
    pub(super) approved: bool,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "purchase.decided")]
pub(super) struct Decided {
    pub(super) purchase: String,
    pub(super) approved: bool,
}

/// A purchase.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "purchase")]
pub(super) struct Purchase;

#[command_handlers]
impl Purchase {
    #[handle(create)]
    fn place(command: Place) -> Placed {
        let Place { purchase, sku, wallet, quantity, absent } = command;
        Placed { purchase, sku, wallet, quantity, absent }
    }

    #[handle]
    fn decide(&self, command: Decide) -> Decided {
        Decided { purchase: command.purchase, approved: command.approved }
    }
}

#[event_sourcing]
impl Purchase {
    #[apply]
    fn placed(&mut self, _: &Placed) {}
    #[apply]
    fn decided(&mut self, _: &Decided) {}
}

/// Takes something out of a store of things, or puts it back: stock of an article, money of a wallet.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "till.take", error = TooLittle)]
pub(super) struct Take {
    #[target]
    pub(super) till: String,
    pub(super) purchase: String,
    pub(super) amount: u64,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "till.give")]
pub(super) struct Give {
    #[target]
    pub(super) till: String,
    pub(super) purchase: String,
    pub(super) amount: u64,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("only {left} left")]
pub(super) struct TooLittle {
    left: u64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "till.taken")]
pub(super) struct Taken {
    pub(super) till: String,
    pub(super) purchase: String,
    pub(super) amount: u64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "till.given")]
pub(super) struct Given {
    pub(super) till: String,
    pub(super) purchase: String,
    pub(super) amount: u64,
}

/// Two of the participants: stock and money.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "till", snapshot(every = 100))]
pub(super) struct Till {
    pub(super) left: u64,
}

#[command_handlers]
impl Till {
    #[handle(create_if_missing)]
    fn take(&self, command: Take) -> Result<Taken, TooLittle> {
        let Take { till, purchase, amount } = command;
        if self.left < amount {
            return Err(TooLittle { left: self.left });
        }
        Ok(Taken { till, purchase, amount })
    }

    #[handle(create_if_missing)]
    fn give(&self, command: Give) -> Given {
        let Give { till, purchase, amount } = command;
        Given { till, purchase, amount }
    }
}

#[event_sourcing]
impl Till {
    #[apply]
    fn taken(&mut self, event: &Taken) {
        self.left -= event.amount;
    }

    #[apply]
    fn given(&mut self, event: &Given) {
        self.left += event.amount;
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "carrier.book", error = Called)]
pub(super) struct BookCarrier {
    #[target]
    purchase: String,
    absent: bool,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "carrier.call-off", reply = bool)]
pub(super) struct CallOff {
    #[target]
    purchase: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("the carrier was called off")]
pub(super) struct Called;

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "carrier.booked")]
pub(super) struct CarrierBooked {
    pub(super) purchase: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "carrier.silent")]
pub(super) struct CarrierSilent {
    pub(super) purchase: String,
}

/// The third participant.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "carrier")]
pub(super) struct Carrier {
    booked: bool,
    called_off: bool,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "carrier.called-off")]
pub(super) struct CalledOff {
    pub(super) purchase: String,
}

#[command_handlers]
impl Carrier {
    #[handle(create_if_missing)]
    fn book(&mut self, command: BookCarrier, events: &mut Events<Self>) -> Result<(), Called> {
        if self.called_off {
            return Err(Called);
        }
        match command.absent {
            true => events.apply(self, CarrierSilent { purchase: command.purchase }),
            false => events.apply(self, CarrierBooked { purchase: command.purchase }),
        }
        Ok(())
    }

    /// Answers whether it was in time.
    #[handle(create_if_missing)]
    fn call_off(&mut self, command: CallOff, events: &mut Events<Self>) -> bool {
        let in_time = !self.booked;
        if in_time {
            events.apply(self, CalledOff { purchase: command.purchase });
        }
        in_time
    }
}

#[event_sourcing]
impl Carrier {
    #[apply]
    fn booked(&mut self, _: &CarrierBooked) {
        self.booked = true;
    }

    #[apply]
    fn silent(&mut self, _: &CarrierSilent) {}

    #[apply]
    fn called_off(&mut self, _: &CalledOff) {
        self.called_off = true;
    }
}

/// Reserves stock, takes the money, books a carrier; gives everything back where one of them does not come.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "purchase")]
pub(super) struct Fulfilment {
    purchase: String,
    sku: String,
    wallet: String,
    quantity: u64,
    absent: bool,
    /// What was taken of which till.
    taken: BTreeMap<String, u64>,
}

impl Fulfilment {
    fn give_back(&mut self, effects: &mut Effects) {
        for (till, amount) in std::mem::take(&mut self.taken) {
            effects.send(Give { till, purchase: self.purchase.clone(), amount });
        }
        effects.send(Decide { purchase: self.purchase.clone(), approved: false });
    }
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = purchase)]
    fn placed(&mut self, event: &Placed, effects: &mut Effects) {
        let Placed { purchase, sku, wallet, quantity, absent } = event.clone();
        effects.send(Take { till: sku.clone(), purchase: purchase.clone(), amount: quantity });
        *self = Self { purchase, sku, wallet, quantity, absent, taken: BTreeMap::new() };
    }

    #[handle(by = purchase)]
    fn taken(&mut self, event: &Taken, effects: &mut Effects) {
        self.taken.insert(event.till.clone(), event.amount);
        if event.till == self.sku {
            let (till, amount) = (self.wallet.clone(), self.quantity * PRICE);
            effects.send(Take { till, purchase: self.purchase.clone(), amount });
        } else {
            effects.send(BookCarrier { purchase: self.purchase.clone(), absent: self.absent });
            effects.deadline("carrier", CARRIER_TIME);
        }
    }

    #[rejected]
    fn too_little(&mut self, _: &Take, _: &TooLittle, effects: &mut Effects) {
        self.give_back(effects);
    }

    #[deadline("carrier")]
    fn overdue(&mut self, effects: &mut Effects) {
        effects.send(CallOff { purchase: self.purchase.clone() });
    }

    #[accepted]
    fn called_off(&mut self, _: &CallOff, in_time: &bool, effects: &mut Effects) {
        if *in_time {
            self.give_back(effects);
        }
    }

    /// It was called off before it was asked.
    #[rejected]
    fn late(&mut self, _: &BookCarrier, _: &Called) {}

    #[handle(by = purchase)]
    fn booked(&mut self, _: &CarrierBooked, effects: &mut Effects) {
        effects.cancel_deadline("carrier");
        effects.send(Decide { purchase: self.purchase.clone(), approved: true });
    }

    #[end(by = purchase)]
    fn decided(&mut self, _: &Decided) {}
}

/// Everything that a node runs.
pub(super) fn node() -> Builder {
    let builder = Annals::builder().without_discovery().include::<Purchase>().include::<Till>();
    let builder = builder.include::<Carrier>().include::<Fulfilment>();
    builder
        .processors(|config| config.poll = Duration::from_millis(50))
        .processor("saga:purchase", |config| config.segments = 2)
        .node(|node| node.lease = Duration::from_secs(1))
}

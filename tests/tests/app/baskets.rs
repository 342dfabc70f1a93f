//! A domain with a long past: events that were split, dropped, given a currency by others, and reshaped twice.

use std::collections::BTreeMap;

use annals::message::Tag;
use annals::prelude::*;
use annals::store::{Append, NewEvent};

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "basket.opened")]
pub struct Opened {
    #[tag]
    pub basket: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "basket.line-added")]
pub struct LineAdded {
    #[tag]
    pub basket: String,
    #[tag]
    pub sku: String,
    pub quantity: u32,
}

/// What `basket.checked-out` held.
#[derive(Deserialize)]
struct CheckedOutV1 {
    basket: String,
    lines: BTreeMap<String, u32>,
}

#[upcasters]
impl Opened {
    #[upcast(name = "basket.checked-out", from = 1)]
    fn split(old: CheckedOutV1) -> (Opened, Vec<LineAdded>) {
        let basket = old.basket.clone();
        let line = |(sku, quantity)| LineAdded { basket: old.basket.clone(), sku, quantity };
        (Opened { basket }, old.lines.into_iter().map(line).collect())
    }

    #[upcast(name = "basket.viewed", from = 1)]
    fn forget_views(_old: Json) -> Dropped {
        Dropped
    }

    /// By hand: what comes of it depends on what it says.
    #[upcast(name = "basket.noted", from = 1, into(Opened, Priced))]
    fn sort_notes(old: Json, pass: &mut Pass) -> Result<Vec<Upcasted>, String> {
        let basket = old["basket"].as_str().unwrap_or_default().to_owned();
        let noted = match old["note"].as_str() {
            Some("opened") => Upcasted::of(&Opened { basket }),
            Some("odd") => Upcasted::of(&LineAdded { basket, sku: "odd".into(), quantity: 1 }),
            Some(currency) => {
                pass.entry::<Currency>().0 = currency.to_owned();
                return Ok(Vec::new());
            }
            None => return Err("there is no note".to_owned()),
        };
        Ok(vec![noted.map_err(|error| error.to_string())?])
    }
}

/// The currency of a basket, which older events did not repeat.
#[derive(Default)]
struct Currency(String);

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "basket.priced", revision = 2)]
pub struct Priced {
    #[tag]
    pub basket: String,
    pub cents: u64,
    pub currency: String,
}

#[upcasters]
impl Priced {
    /// A price of nothing meant that there was none.
    #[upcast(from = 1)]
    fn add_currency(mut old: Json, recorded: &Recorded, pass: &mut Pass) -> Option<Json> {
        assert_eq!(recorded.name, "basket.priced");
        let currency = pass.get::<Currency>().map_or("none", |currency| currency.0.as_str());
        old["currency"] = currency.into();
        (old["cents"] != 0).then_some(old)
    }
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "basket.labelled", revision = 3)]
pub struct Labelled {
    pub basket: String,
    pub words: Vec<String>,
}

#[derive(Deserialize)]
struct LabelledV1 {
    basket: String,
    label: String,
}

#[derive(Serialize, Deserialize)]
struct LabelledV2 {
    basket: String,
    text: String,
}

#[upcasters]
impl Labelled {
    #[upcast(from = 1)]
    fn trim(old: LabelledV1) -> Result<LabelledV2, String> {
        match old.label.trim() {
            "" => Err("the label is empty".to_owned()),
            text => Ok(LabelledV2 { basket: old.basket, text: text.to_owned() }),
        }
    }

    #[upcast(from = 2)]
    fn words(old: LabelledV2) -> Labelled {
        Labelled { basket: old.basket, words: old.text.split(' ').map(str::to_owned).collect() }
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "basket.look", reply = String)]
pub struct Look {
    #[target]
    pub basket: String,
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "basket", snapshot)]
pub struct Basket {
    /// What was applied, in order.
    pub seen: Vec<String>,
}

#[command_handlers]
impl Basket {
    #[handle]
    fn look(&self, _command: Look, _events: &mut Events<Self>) -> String {
        self.seen.join(", ")
    }
}

#[event_sourcing]
impl Basket {
    #[apply]
    fn opened(&mut self, _event: &Opened) {
        self.seen.push("opened".to_owned());
    }

    #[apply]
    fn line_added(&mut self, event: &LineAdded) {
        self.seen.push(format!("{} {}", event.quantity, event.sku));
    }

    #[apply]
    fn priced(&mut self, event: &Priced) {
        self.seen.push(format!("{} {}", event.cents, event.currency));
    }

    #[apply]
    fn labelled(&mut self, event: &Labelled) {
        self.seen.push(event.words.join("+"));
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "sku.count", reply = u32)]
pub struct CountSku {
    #[tag]
    pub sku: String,
}

/// How many of an article were ever ordered.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "demand", boundary(sku))]
pub struct Demand {
    ordered: u32,
}

#[command_handlers]
impl Demand {
    #[handle]
    fn count(&self, _command: CountSku, _events: &mut Events<Self>) -> u32 {
        self.ordered
    }
}

#[event_sourcing]
impl Demand {
    #[apply]
    fn line_added(&mut self, event: &LineAdded) {
        self.ordered += event.quantity;
    }
}

/// Orders of an article. One that is called `rotten` cannot be counted.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "sales", key = String)]
pub struct Sales {
    pub ordered: u32,
}

#[view_handlers]
impl Sales {
    #[handle(key = sku)]
    fn line_added(&mut self, event: &LineAdded) {
        assert_ne!(event.sku, "rotten", "nobody wants to count it");
        self.ordered += event.quantity;
    }
}

/// The same, folded when it is read.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "live-sales", key = String, live)]
pub struct LiveSales {
    pub ordered: u32,
}

#[view_handlers]
impl LiveSales {
    #[handle(key = sku)]
    fn line_added(&mut self, event: &LineAdded) {
        self.ordered += event.quantity;
    }
}

/// The same, in the append's own transaction.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "inline-sales", key = String, inline)]
pub struct InlineSales {
    pub ordered: u32,
}

#[view_handlers]
impl InlineSales {
    #[handle(key = sku)]
    fn line_added(&mut self, event: &LineAdded) {
        self.ordered += event.quantity;
    }
}

/// What the baskets cost, by basket.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "prices", key = String)]
pub struct Prices {
    pub all: Vec<String>,
}

#[view_handlers]
impl Prices {
    #[handle(key = basket)]
    fn priced(&mut self, event: &Priced) {
        self.all.push(format!("{} {}", event.cents, event.currency));
    }
}

/// One instance for each article.
#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "restock")]
pub struct Restock {
    sku: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "sku.restock")]
pub struct Reorder {
    #[target]
    pub sku: String,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "sku.restocked")]
pub struct Restocked {
    pub quantity: u32,
}

#[derive(Aggregate, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "shelf")]
pub struct Shelf {
    pub quantity: u32,
}

#[command_handlers]
impl Shelf {
    #[handle(create_if_missing)]
    fn reorder(&self, command: Reorder) -> Restocked {
        Restocked { quantity: command.quantity }
    }
}

#[event_sourcing]
impl Shelf {
    #[apply]
    fn restocked(&mut self, event: &Restocked) {
        self.quantity += event.quantity;
    }
}

#[saga_handlers]
impl Restock {
    #[start(by = sku)]
    fn line_added(&mut self, event: &LineAdded, effects: &mut Effects) {
        self.sku = event.sku.clone();
        effects.send(Reorder { sku: event.sku.clone(), quantity: event.quantity });
    }
}

/// An event that a program of old days has stored.
pub fn stored(basket: &str, name: &str, revision: u32, payload: &Json) -> Append {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let skus = payload["lines"].as_object().into_iter().flat_map(|lines| lines.keys().cloned());
    let skus = skus.chain(text(&payload["sku"])).map(|sku| Tag::new("sku", &sku));
    let event = NewEvent {
        stream: StreamId::new("basket", basket),
        id: EventId::new(),
        name: name.to_owned().into(),
        revision,
        payload: payload.to_string().into_bytes(),
        metadata: std::sync::Arc::default(),
        tags: std::iter::once(Tag::new("basket", basket)).chain(skus).collect(),
        recorded_at: Timestamp::EPOCH,
    };
    Append { events: vec![event], ..Append::default() }
}

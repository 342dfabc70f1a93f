//! Lots are offered, sold and withdrawn: a domain whose views are found by more than their keys.

use annals::Annals;
use annals::app::Builder;
use annals::prelude::*;
use annals::view::{Key, Order, ViewHandlers, ViewPage, ViewQuery};

use crate::given::{Dice, app};

#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seller(pub(crate) String);

#[derive(IndexValue, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    #[default]
    OnOffer,
    Sold,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "lot.offer")]
pub(crate) struct Offer {
    #[target]
    pub(crate) lot: String,
    pub(crate) seller: Seller,
    pub(crate) price: i64,
    pub(crate) labels: Vec<String>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "lot.sell")]
pub(crate) struct Sell {
    #[target]
    pub(crate) lot: String,
    pub(crate) buyer: Option<String>,
    pub(crate) price: i64,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "lot.withdraw")]
pub(crate) struct Withdraw {
    #[target]
    pub(crate) lot: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "lot.offered")]
pub(crate) struct Offered {
    #[tag]
    pub(crate) lot: String,
    pub(crate) seller: Seller,
    pub(crate) price: i64,
    #[tag]
    pub(crate) labels: Vec<String>,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "lot.sold")]
pub(crate) struct Sold {
    #[tag]
    pub(crate) lot: String,
    #[tag]
    pub(crate) buyer: Option<String>,
    pub(crate) price: i64,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "lot.withdrawn")]
pub(crate) struct Withdrawn {
    #[tag]
    pub(crate) lot: String,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "lot")]
pub(crate) struct Lot;

#[command_handlers]
impl Lot {
    #[handle(create_if_missing)]
    fn offer(&self, command: Offer) -> Offered {
        let Offer { lot, seller, price, labels } = command;
        Offered { lot, seller, price, labels }
    }

    #[handle(create_if_missing)]
    fn sell(&self, command: Sell) -> Sold {
        Sold { lot: command.lot, buyer: command.buyer, price: command.price }
    }

    #[handle(create_if_missing)]
    fn withdraw(&self, command: Withdraw) -> Withdrawn {
        Withdrawn { lot: command.lot }
    }
}

#[event_sourcing]
impl Lot {
    #[apply]
    fn offered(&mut self, _event: &Offered) {}

    #[apply]
    fn sold(&mut self, _event: &Sold) {}

    #[apply]
    fn withdrawn(&mut self, _event: &Withdrawn) {}
}

/// A view of lots whose indexes have the names of [`Lots`].
pub(crate) trait LotView: ViewHandlers {
    /// What can be asked, each with a name.
    fn questions(app: &Annals) -> Vec<(&'static str, ViewQuery<Self>)>;
    /// What is seen of a document.
    fn seen(&self) -> String;
}

/// One view in three modes.
macro_rules! lots {
    ($($view:ident $name:literal $mode:ident)*) => {$(
        #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
        #[view(name = $name, key = String, $mode)]
        pub(crate) struct $view {
            #[index]
            pub(crate) seller: Seller,
            #[index]
            pub(crate) price: i64,
            #[index]
            pub(crate) buyer: Option<String>,
            #[index(name = "label")]
            pub(crate) labels: Vec<String>,
            #[index]
            pub(crate) status: Status,
        }

        #[view_handlers]
        impl $view {
            #[handle(key = lot)]
            fn offered(&mut self, event: &Offered) {
                let Offered { seller, price, labels, .. } = event.clone();
                *self = Self { seller, price, labels, ..Self::default() };
            }

            #[handle(key = lot)]
            fn sold(&mut self, event: &Sold) {
                self.buyer = event.buyer.clone();
                self.price = event.price;
                self.status = Status::Sold;
            }

            #[handle(key = lot)]
            fn withdrawn(&mut self, _event: &Withdrawn) -> Keep {
                Keep::Delete
            }
        }

        impl LotView for $view {
            fn questions(app: &Annals) -> Vec<(&'static str, ViewQuery<Self>)> {
                let lots = app.view::<Self>();
                let ann = Seller("ann".into());
                vec![
                    ("all", lots.all()),
                    ("of ann", lots.filter(Self::SELLER.is(&ann))),
                    ("of ann by price", lots.filter(Self::SELLER.is(&ann)).order_by(Self::PRICE.ascending())),
                    ("of ann or bob", lots.filter(Self::SELLER.any_of([ann, Seller("bob".into())]))),
                    ("below zero", lots.filter(Self::PRICE.below(0))),
                    ("at most zero", lots.filter(Self::PRICE.at_most(0)).order_by(Self::PRICE.descending())),
                    ("above ten", lots.filter(Self::PRICE.above(10))),
                    ("middling", lots.filter(Self::PRICE.between(-5, 10)).order_by(Order::keys_descending())),
                    ("to c..", lots.filter(Self::BUYER.starts_with("c")).order_by(Self::BUYER.descending())),
                    ("to somebody", lots.order_by(Self::BUYER.ascending())),
                    ("red", lots.filter(Self::LABELS.is("red"))),
                    ("red and new", lots.filter(Self::LABELS.is("red")).filter(Self::LABELS.is("new"))),
                    ("red or new, dear", lots.filter(Self::LABELS.any_of(["red", "new"])).filter(Self::PRICE.at_least(5))),
                    ("sold by price", lots.filter(Self::STATUS.is(Status::Sold)).order_by(Self::PRICE.descending())),
                    ("of nobody", lots.filter(Self::SELLER.any_of(Vec::<Seller>::new()))),
                ]
            }

            fn seen(&self) -> String {
                format!("{self:?}").replacen(stringify!($view), "", 1)
            }
        }
    )*};
}
lots! { Lots "lots" asynchronous InlineLots "lots-inline" inline LiveLots "lots-live" live }

/// One event to many documents: by a field of keys, and by a function.
macro_rules! labels {
    ($($view:ident $name:literal $mode:ident)*) => {$(
        /// What was offered under a label, and what was sold in the quarter of its price.
        #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
        #[view(name = $name, key = String, $mode)]
        pub(crate) struct $view {
            #[index]
            pub(crate) offered: u32,
            pub(crate) lots: Vec<String>,
            pub(crate) first_of: u32,
            pub(crate) bought: u32,
            pub(crate) withdrawn: u32,
        }

        #[view_handlers]
        impl $view {
            #[handle(keys = labels)]
            fn offered(&mut self, event: &Offered, label: Key<String>) {
                self.offered += 1;
                self.lots.push(event.lot.clone());
                self.first_of += u32::from(event.labels.first() == Some(&*label));
            }

            #[handle(keys = buyer)]
            fn sold(&mut self, _event: &Sold) {
                self.bought += 1;
            }

            #[handle(keys = self::letters)]
            fn withdrawn(&mut self, event: &Withdrawn, letter: Key<String>) -> Keep {
                self.withdrawn += 1;
                if event.lot.ends_with(letter.as_str()) { Keep::Delete } else { Keep::Update }
            }
        }
    )*};
}
labels! { Labels "labels" asynchronous InlineLabels "labels-inline" inline LiveLabels "labels-live" live }

/// The letters of the lot's name.
fn letters(event: &Withdrawn) -> Vec<String> {
    event.lot.chars().map(String::from).collect()
}

pub(crate) fn auction() -> Builder {
    app().include::<Lot>()
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Offer(Offer),
    Sell(Sell),
    Withdraw(Withdraw),
}

impl Act {
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let lot = format!("l{}", dice.below(9));
        let one_of = |dice: &mut Dice, names: &[&str]| {
            names[usize::try_from(dice.below(names.len() as u64)).unwrap_or(0)].to_owned()
        };
        match dice.below(8) {
            0 => Self::Withdraw(Withdraw { lot }),
            1 | 2 => Self::Sell(Sell {
                lot,
                buyer: (dice.below(3) > 0).then(|| one_of(dice, &["cid", "cleo", "dan", "red"])),
                price: i64::try_from(dice.below(30)).unwrap_or(0) - 12,
            }),
            _ => Self::Offer(Offer {
                lot,
                seller: Seller(one_of(dice, &["ann", "bob", "Ann", "eve"])),
                price: i64::try_from(dice.below(30)).unwrap_or(0) - 12,
                labels: (0..dice.below(4)).map(|_| one_of(dice, &["red", "new", "old", "r"])).collect(),
            }),
        }
    }

    pub(crate) async fn perform(self, app: &Annals) {
        match self {
            Self::Offer(offer) => drop(app.send(offer).await.unwrap()),
            Self::Sell(sell) => drop(app.send(sell).await.unwrap()),
            Self::Withdraw(withdraw) => drop(app.send(withdraw).await.unwrap()),
        }
    }
}

pub(crate) async fn offer(app: &Annals, lot: &str, seller: &str, price: i64, labels: &[&str]) {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let offer = Offer { lot: lot.into(), seller: Seller(seller.into()), price, labels };
    app.send(offer).await.unwrap();
}

pub(crate) async fn sell(app: &Annals, lot: &str, buyer: Option<&str>, price: i64) {
    app.send(Sell { lot: lot.into(), buyer: buyer.map(str::to_owned), price }).await.unwrap();
}

/// The keys of a page.
pub(crate) fn keys<V>(page: &ViewPage<V>) -> Vec<&str> {
    page.documents.iter().map(|found| found.key.as_str()).collect()
}

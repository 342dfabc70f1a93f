#![allow(unused)]

use annals::prelude::*;

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "pair")]
struct Pair(#[unique] u32, #[unique(x)] u32);

#[event_sourcing]
impl Pair {
    #[apply]
    fn set(&mut self, _event: &Set) {}
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "pair.set")]
struct Set;

fn main() {}

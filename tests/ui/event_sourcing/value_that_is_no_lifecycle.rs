#![allow(unused)]

use annals::prelude::*;

#[derive(Entity, Serialize, Deserialize, Clone)]
struct Copy {
    #[id]
    copy: u32,
}

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "shelf")]
struct Shelf {
    copies: Vec<Copy>,
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "shelf.copy-lent")]
struct CopyLent {
    copy: u32,
}

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "shelf.lend")]
struct LendCopy {
    #[target]
    shelf: String,
    copy: u32,
}

#[event_sourcing]
impl Shelf {
    #[apply]
    fn lent(&mut self, _event: &CopyLent) -> bool {
        true
    }
}

fn main() {}

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "room.book")]
struct Book {
    #[target]
    room: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "room.booked")]
struct Booked {}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "room")]
struct Room {}

#[command_handlers]
impl Room {
    #[handle(create, sequential)]
    fn book(_command: Book) -> Booked {
        Booked {}
    }
}

#[event_sourcing]
impl Room {
    #[apply]
    fn booked(&mut self, _event: &Booked) {}
}

fn main() {}

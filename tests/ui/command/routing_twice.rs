use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "room.book")]
struct Book {
    #[routing]
    room: String,
    #[routing]
    guest: String,
}

fn main() {}

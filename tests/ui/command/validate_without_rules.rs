use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "room.book", validate)]
struct Book {
    #[target]
    room: String,
}

fn main() {}

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "room.open", roles())]
struct Open {
    #[target]
    room: String,
}

#[derive(Command, Serialize, Deserialize)]
#[command(name = "room.close", roles("clerk, manager", ""))]
struct Close {
    #[target]
    room: String,
}

#[derive(Command, Serialize, Deserialize)]
#[command(name = "room.paint", roles = "painter")]
struct Paint {
    #[target]
    room: String,
}

fn main() {}

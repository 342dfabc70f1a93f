#![allow(unused)]

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command(name = "order")]
enum OrderCommand {
    Place,
    Cancel,
}

fn main() {}

#![allow(unused)]

use annals::prelude::*;

#[command_handlers]
struct Mailer;

fn main() {}

#![allow(unused)]

use annals::prelude::*;

#[derive(Identifier)]
struct LineId(String, u32);

fn main() {}

#![allow(unused)]

use annals::prelude::*;

#[derive(Identifier)]
struct LineId<T> {
    order: T,
}

fn main() {}

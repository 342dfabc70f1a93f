#![allow(unused)]

use annals::prelude::*;

#[derive(Entity)]
struct WithoutId {
    copy: u32,
}

#[derive(Entity)]
struct TwoIds {
    #[id]
    copy: u32,
    #[id]
    number: u32,
}

#[derive(Entity)]
struct WithArguments {
    #[id(copy)]
    copy: u32,
}

#[derive(Entity)]
enum NoStruct {
    One,
}

fn main() {}

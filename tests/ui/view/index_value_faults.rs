#![allow(unused)]

use annals::prelude::*;

#[derive(IndexValue)]
enum Status {
    Open,
    Sold { buyer: String },
}

#[derive(IndexValue)]
struct Pair(String, u32);

#[derive(IndexValue)]
struct Share(f64);

fn main() {}

use annals::prelude::*;

#[derive(Described)]
struct Pair<T> {
    first: T,
    second: T,
}

fn main() {}

//! `traced` is a module of one's own; the crate is named with its leading colons.
#![allow(dead_code)]

mod traced {
    pub mod __private {}
}

#[::traced::traced(attr(id))]
fn load(id: u64) -> u64 {
    id
}

#[::traced::traced]
async fn store() {}

fn main() {
    load(1);
    futures_executor::block_on(store());
}

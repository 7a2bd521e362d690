#![deny(unused_mut)]

use traced::traced;

#[traced]
fn load(mut id: u64) -> u64 {
    id
}

#[traced]
async fn store(mut id: u64) -> u64 {
    id
}

fn main() {
    load(1);
    drop(store(1));
}

#![deny(unused_variables)]

use traced::traced;

#[traced]
fn load(id: u64) {}

#[traced]
async fn store(id: u64) {}

fn main() {
    load(1);
    drop(store(1));
}

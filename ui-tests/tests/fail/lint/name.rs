#![deny(non_snake_case)]

use traced::traced;

#[traced]
fn Load(Id: u64) -> u64 {
    Id
}

fn main() {
    Load(1);
}

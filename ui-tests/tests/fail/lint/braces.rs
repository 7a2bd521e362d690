#![deny(unused_braces, unused_parens)]

use traced::traced;

#[traced]
fn load() -> u64 {
    let id = { 1 };
    (id)
}

fn main() {
    load();
}

#![deny(unconditional_recursion)]

use traced::traced;

#[traced]
fn load() -> u64 {
    load()
}

fn main() {
    load();
}

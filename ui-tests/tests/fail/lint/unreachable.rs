#![deny(unreachable_code)]

use traced::traced;

#[traced]
fn load() -> u64 {
    return 1;
    2
}

#[traced]
async fn store() -> u64 {
    return 1;
    2
}

fn main() {
    load();
    drop(store());
}

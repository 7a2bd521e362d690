#![deny(unused_must_use)]

use traced::traced;

#[must_use]
#[traced]
fn load() -> u64 {
    Ok::<(), String>(());
    1
}

#[traced]
async fn store() -> Result<(), String> {
    Ok(())
}

#[traced]
async fn both() {
    load();
    store();
    store().await;
}

fn main() {
    drop(both());
}

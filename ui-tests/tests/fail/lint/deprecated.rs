#![deny(deprecated)]

use traced::traced;

#[deprecated]
#[traced]
fn load() {}

fn main() {
    load();
}

#![deny(dead_code)]

use traced::traced;

#[traced]
fn load() {}

fn main() {}

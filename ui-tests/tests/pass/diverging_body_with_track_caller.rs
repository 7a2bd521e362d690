#![deny(warnings)]

use traced::traced;

#[traced]
#[track_caller]
pub fn todo_tracked() -> u64 {
    todo!()
}

fn main() {}

use traced::traced;

#[traced]
use std::mem::drop as forget;

fn main() {
    forget(1);
}

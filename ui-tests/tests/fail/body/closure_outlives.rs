use traced::traced;

#[traced]
fn load(id: u64) -> impl Fn() -> u64 {
    || id
}

fn main() {
    load(1)();
}

use traced::traced;

#[traced]
fn load() -> u64 {}

fn main() {
    load();
}

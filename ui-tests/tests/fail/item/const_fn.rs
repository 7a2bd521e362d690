use traced::traced;

#[traced]
pub const fn load() -> u64 {
    1
}

fn main() {
    const LOADED: u64 = load();
    assert_eq!(LOADED, 1);
}

use traced::traced;

#[traced]
static LIMIT: fn() -> u64 = || 1;

fn main() {
    assert_eq!(LIMIT(), 1);
}

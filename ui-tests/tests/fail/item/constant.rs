use traced::traced;

#[traced]
const LIMIT: u64 = 1;

fn main() {
    assert_eq!(LIMIT, 1);
}

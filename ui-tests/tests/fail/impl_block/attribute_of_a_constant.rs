use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced(skip)]
    const LIMIT: u64 = 1;
}

fn main() {
    assert_eq!(Store::LIMIT, 1);
}

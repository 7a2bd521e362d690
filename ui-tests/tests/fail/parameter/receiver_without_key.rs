use traced::traced;

struct Store;

impl Store {
    #[traced]
    fn load(#[attr] &self) {}
}

fn main() {
    Store.load();
}

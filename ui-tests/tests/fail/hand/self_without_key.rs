struct Store;

impl Store {
    fn load(&self) {
        traced::set!(?self);
    }
}

fn main() {
    Store.load();
}

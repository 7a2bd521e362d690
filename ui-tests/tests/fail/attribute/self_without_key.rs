use traced::traced;

#[derive(Debug)]
struct Store;

impl Store {
    #[traced(attr(?self))]
    fn load(&self) {}
}

fn main() {
    Store.load();
}

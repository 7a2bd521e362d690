use traced::traced;

struct Store;

#[traced(skip)]
impl Store {
    fn load(&self) {}
}

fn main() {
    Store.load();
}

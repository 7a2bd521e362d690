use traced::traced;

struct Store;

#[traced(knid = server)]
impl Store {
    fn load(&self) {}
}

fn main() {
    Store.load();
}

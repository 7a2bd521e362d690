use traced::traced;

struct Store;

#[traced(name = "load")]
impl Store {
    fn load(&self) {}
}

fn main() {
    Store.load();
}

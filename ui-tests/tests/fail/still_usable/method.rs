use traced::traced;

struct Store;

impl Store {
    #[traced(attr(self.))]
    fn load(&self) -> u64 {
        1
    }
}

fn main() {
    let id: u64 = Store.load();
    drop(id);
}

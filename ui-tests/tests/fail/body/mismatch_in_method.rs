use traced::traced;

struct Store;

#[traced]
impl Store {
    fn load(&self) -> u64 {
        "load"
    }

    async fn store(&self) -> u64 {
        "store"
    }
}

fn main() {
    Store.load();
    drop(Store.store());
}

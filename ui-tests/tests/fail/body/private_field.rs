use traced::traced;

mod store {
    #[derive(Default)]
    pub struct Store {
        id: u64,
    }
}

#[traced]
async fn load(store: &store::Store) -> u64 {
    store.id
}

fn main() {
    drop(load(&store::Store::default()));
}

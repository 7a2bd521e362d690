use traced::traced;

trait Load {
    const LIMIT: u64;
    type Item;
    fn load(&self, id: u64) -> Self::Item;
}

struct Store;

#[traced(nmae = "store")]
impl Load for Store {
    const LIMIT: u64 = 1;
    type Item = u64;

    #[traced(skip, leaf)]
    fn load(&self, #[attr] id: u64) -> u64 {
        id.min(Self::LIMIT)
    }
}

fn main() {
    let id: u64 = Store.load(2);
    drop(id);
}

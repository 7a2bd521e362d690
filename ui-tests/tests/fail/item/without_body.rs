use traced::traced;

trait Load {
    #[traced]
    fn load(&self) -> u64;
}

struct Store;

impl Load for Store {
    fn load(&self) -> u64 {
        1
    }
}

fn main() {
    Store.load();
}

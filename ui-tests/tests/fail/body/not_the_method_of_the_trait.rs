use traced::traced;

trait Load {
    fn load(&self) -> u64;
}

struct Store;

#[traced]
impl Load for Store {
    fn load(&self) -> u32 {
        1
    }
}

fn main() {
    Store.load();
}

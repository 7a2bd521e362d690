use traced::traced;

struct Store;

#[traced(kind = server, when = true, timing, ret)]
impl Store {
    fn load(&self) -> u64 {
        1
    }
}

fn main() {
    Store.load();
}

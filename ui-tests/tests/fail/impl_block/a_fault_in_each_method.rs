use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced(nmae = "load")]
    fn load(&self) {}

    #[traced(attr(idd))]
    fn store(&self, id: u64) -> u64 {
        id
    }

    fn remove(&self, #[attr] password: &str) -> usize {
        password.len()
    }
}

fn main() {
    Store.load();
    Store.store(1);
    Store.remove("");
}

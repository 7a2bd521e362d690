use traced::traced;

struct Store;

#[traced]
impl Store {
    #[cfg_attr(all(), traced(skip))]
    fn load(&self) {}
}

fn main() {
    Store.load();
}

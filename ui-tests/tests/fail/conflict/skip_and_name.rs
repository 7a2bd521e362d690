use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced(skip, name = "load")]
    fn load(&self) {}
}

fn main() {
    Store.load();
}

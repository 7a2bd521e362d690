use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced]
    #[traced(kind = server)]
    fn load(&self) {}
}

fn main() {
    Store.load();
}

use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced = "load"]
    fn load(&self) {}
}

fn main() {
    Store.load();
}

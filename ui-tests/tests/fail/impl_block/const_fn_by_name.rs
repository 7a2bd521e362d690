use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced(name = "new")]
    const fn new() -> Self {
        Self
    }
}

fn main() {
    Store::new();
}

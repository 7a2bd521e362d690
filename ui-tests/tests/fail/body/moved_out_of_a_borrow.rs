use traced::traced;

struct Store {
    name: String,
}

impl Store {
    #[traced]
    fn load(&self) -> String {
        self.name
    }
}

fn main() {
    Store { name: String::new() }.load();
}

use traced::traced;

struct Store {
    name: String,
}

impl Store {
    #[traced]
    async fn load(&mut self) -> String {
        self.name
    }
}

fn main() {
    drop(Store { name: String::new() }.load());
}

use traced::traced;

struct Store {
    id: u64,
}

impl Store {
    #[traced]
    fn load(&self) {
        self.id = 1;
    }

    #[traced]
    fn store(self) {
        self.id = 1;
    }
}

fn main() {
    Store { id: 1 }.load();
    Store { id: 1 }.store();
}

use traced::traced;

struct Store {
    tenant: String,
}

#[traced(attr(self.tenant))]
impl Store {
    fn load(&self) -> usize {
        self.tenant.len()
    }
}

fn main() {
    Store { tenant: String::new() }.load();
}

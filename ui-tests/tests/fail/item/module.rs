use traced::traced;

#[traced]
mod store {
    pub fn load() {}
}

fn main() {
    store::load();
}

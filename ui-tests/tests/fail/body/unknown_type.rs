use traced::traced;

#[traced]
fn load() -> Crat {
    Crat
}

fn main() {
    load();
}

use traced::traced;

#[traced(scope = env!("CARGO_PKG_NAME"))]
fn load() {}

fn main() {
    load();
}

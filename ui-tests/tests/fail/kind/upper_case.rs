use traced::traced;

#[traced(kind = Server)]
fn load() {}

fn main() {
    load();
}

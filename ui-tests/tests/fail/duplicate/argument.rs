use traced::traced;

#[traced(name = "load", kind = server, name = "store")]
fn load() {}

fn main() {
    load();
}

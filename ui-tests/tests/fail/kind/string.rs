use traced::traced;

#[traced(kind = "server")]
fn load() {}

fn main() {
    load();
}

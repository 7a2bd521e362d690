use traced::traced;

#[traced(r#name = "load")]
fn load() {}

fn main() {
    load();
}

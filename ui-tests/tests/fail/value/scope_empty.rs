use traced::traced;

#[traced(scope = "")]
fn load() {}

fn main() {
    load();
}

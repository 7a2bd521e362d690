use traced::traced;

#[traced(kind = "database")]
fn load() {}

fn main() {
    load();
}

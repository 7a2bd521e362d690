use traced::traced;

#[traced(propagate("my::spawn"))]
fn load() {}

fn main() {
    load();
}

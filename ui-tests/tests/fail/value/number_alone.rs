use traced::traced;

#[traced(7)]
fn load() {}

fn main() {
    load();
}

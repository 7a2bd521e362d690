use traced::traced;

#[traced(name = 7)]
fn load() {}

fn main() {
    load();
}

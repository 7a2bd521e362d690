use traced::traced;

#[traced(timing)]
fn load() {}

fn main() {
    load();
}

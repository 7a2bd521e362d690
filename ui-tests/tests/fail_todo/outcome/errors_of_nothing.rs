use traced::traced;

#[traced(errors = off)]
fn load() {}

fn main() {
    load();
}

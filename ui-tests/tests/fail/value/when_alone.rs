use traced::traced;

#[traced(when)]
fn load() {}

fn main() {
    load();
}

use traced::traced;

#[traced(future)]
fn load() {}

fn main() {
    load();
}

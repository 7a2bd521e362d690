use traced::traced;

#[traced = "load"]
fn load() {}

fn main() {
    load();
}

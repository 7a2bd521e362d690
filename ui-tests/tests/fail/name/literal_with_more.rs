use traced::traced;

#[traced(name = "load".to_owned() + "er")]
fn load() {}

fn main() {
    load();
}

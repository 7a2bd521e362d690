use traced::traced;

#[traced(Name = "load")]
fn load() {}

fn main() {
    load();
}

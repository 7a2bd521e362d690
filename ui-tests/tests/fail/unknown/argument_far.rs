use traced::traced;

#[traced(colour = "red")]
fn load() {}

fn main() {
    load();
}

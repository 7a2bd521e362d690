use traced::traced;

#[traced(otel.name = "load")]
fn load() {}

fn main() {
    load();
}

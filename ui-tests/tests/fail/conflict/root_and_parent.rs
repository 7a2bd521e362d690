use traced::opentelemetry::Context;
use traced::traced;

#[traced(root, parent = cx)]
fn load(cx: &Context) {}

fn main() {
    load(&Context::new());
}

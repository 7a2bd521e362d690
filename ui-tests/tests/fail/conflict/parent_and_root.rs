use traced::opentelemetry::Context;
use traced::traced;

#[traced(parent = cx, root(link))]
fn load(cx: &Context) {}

fn main() {
    load(&Context::new());
}

use traced::opentelemetry::Context;
use traced::traced;

#[traced(links(cx))]
fn load(cx: Context) -> Context {
    cx
}

fn main() {
    load(Context::new());
}

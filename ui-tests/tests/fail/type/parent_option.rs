use traced::opentelemetry::Context;
use traced::traced;

#[traced(parent = cx)]
async fn load(cx: Option<Context>) -> bool {
    cx.is_some()
}

fn main() {
    drop(load(None));
}

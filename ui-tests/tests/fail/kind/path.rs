use traced::traced;

#[traced(kind = SpanKind::Server)]
fn load() {}

fn main() {
    load();
}

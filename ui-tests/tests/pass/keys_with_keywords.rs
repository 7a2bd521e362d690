use traced::testing::capture;
use traced::traced;

mod semconv {
    pub const PEER: &str = "peer";
}

#[traced(attr(
    type = id,
    http.request.type = id,
    fn.async.await = id,
    self.id = id,
    crate.name = "shop",
    "with space" = id,
    "type.2" = id,
    super = true,
    {semconv::PEER} = id,
    {concat!("a", ".", "b")} = id,
    match.r#loop = id,
    _ = id,
))]
fn load(id: u64) -> u64 {
    traced::set!(type.of = id, in = 1);
    traced::event!("loaded", where = id, "as" = 1);
    id
}

fn main() {
    let (_, trace) = capture(|| load(7));
    for key in ["type", "http.request.type", "fn.async.await", "with space", "type.2", "peer", "a.b", "match.loop"] {
        assert_eq!(trace.span("load").attribute(key), 7, "{key}");
    }
}

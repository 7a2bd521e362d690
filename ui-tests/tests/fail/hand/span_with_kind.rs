fn main() {
    traced::span!("load", kind = client).run(|| {});
}

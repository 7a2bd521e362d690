fn main() {
    traced::span!("").run(|| {});
}

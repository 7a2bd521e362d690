fn main() {
    let id = 1;
    traced::span!(format!("load {id}")).run(|| {});
}

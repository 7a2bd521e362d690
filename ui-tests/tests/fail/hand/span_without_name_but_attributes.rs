fn main() {
    let _span = traced::span!(id = 1).enter();
}

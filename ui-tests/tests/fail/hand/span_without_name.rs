fn main() {
    let _span = traced::span!().enter();
}

fn main() {
    let id: u64 = traced::event!("loaded");
    drop(id);
}

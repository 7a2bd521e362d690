// What those who come from `log` write.
fn main() {
    let id = 1;
    traced::event!("loaded {}", id + 1);
}

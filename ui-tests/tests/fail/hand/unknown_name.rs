fn main() {
    let total = 1;
    traced::event!("loaded", totl);
    drop(total);
}

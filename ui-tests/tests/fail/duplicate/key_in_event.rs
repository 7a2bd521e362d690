fn main() {
    traced::event!("loaded", id = 1, id = 2);
}

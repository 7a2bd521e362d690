fn main() {
    traced::event!("loaded" id = 1);
}

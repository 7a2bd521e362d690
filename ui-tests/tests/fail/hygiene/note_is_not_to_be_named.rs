fn main() {
    traced::event!("loaded", id = __traced_note);
}

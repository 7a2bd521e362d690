fn main() {
    traced::event!(" ", id = 1);
}

fn main() {
    traced::set!();
}

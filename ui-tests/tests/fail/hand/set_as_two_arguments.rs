fn main() {
    traced::set!("order.id", 7);
}

fn main() {
    let items = [1, 2];
    traced::set!(items.len());
}

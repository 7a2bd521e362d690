fn main() {
    traced::set!(total = 1, total = 2);
}

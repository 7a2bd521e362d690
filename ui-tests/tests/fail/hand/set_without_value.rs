fn main() {
    traced::set!(total =);
}

fn main() {
    let card_number = "4111 1111 1111 1111";
    traced::set!(card_number);
}

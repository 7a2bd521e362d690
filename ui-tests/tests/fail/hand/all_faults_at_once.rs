fn main() {
    let password = "";
    traced::event!("", a = 1, a = 2, password, [1].len(), b =);
    drop(password);
}

fn main() {
    let ssn = "078-05-1120";
    traced::event!("checked", ssn);
}

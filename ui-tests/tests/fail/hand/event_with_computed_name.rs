fn main() {
    let id = 1;
    traced::event!(format!("loaded {id}"), id);
}

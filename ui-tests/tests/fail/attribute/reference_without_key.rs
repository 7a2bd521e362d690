use traced::traced;

#[traced(attr(&id))]
fn load(id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

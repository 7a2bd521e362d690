use traced::traced;

#[traced(attr)]
fn load(id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

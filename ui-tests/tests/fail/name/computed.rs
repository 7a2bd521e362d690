use traced::traced;

#[traced(name = format!("load {id}"))]
fn load(id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

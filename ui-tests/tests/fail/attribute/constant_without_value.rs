use traced::traced;

const KEY: &str = "id";

#[traced(attr({KEY}))]
fn load(id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

use traced::traced;

#[traced(attr({format!("id.{id}")} = id))]
fn load(id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

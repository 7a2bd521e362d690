use traced::traced;

const KEY: u64 = 7;

#[traced(attr({KEY} = id))]
fn load(id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

use traced::traced;

#[traced]
fn load(id: u64) -> u64 {
    let = id;
    id
}

fn main() {
    load(1);
}

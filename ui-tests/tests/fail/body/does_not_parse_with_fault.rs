use traced::traced;

#[traced(kind = sever)]
fn load(id: u64) -> u64 {
    let = id;
    id
}

fn main() {
    load(1);
}

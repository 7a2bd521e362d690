use traced::traced;

#[traced(attr(id))]
fn load(id: u64) -> u64 {
    _ = __traced_call;
    id
}

fn main() {
    load(1);
}

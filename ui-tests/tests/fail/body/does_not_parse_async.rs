use traced::traced;

#[traced(attr(id))]
async fn load(id: u64) -> u64 {
    id.
}

fn main() {
    drop(load(1));
}

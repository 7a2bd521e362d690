use traced::traced;

#[traced]
fn load(Some(id): Option<u64>) -> u64 {
    id
}

fn main() {
    load(None);
}

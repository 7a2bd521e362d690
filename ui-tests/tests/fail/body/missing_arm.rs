use traced::traced;

#[traced]
fn load(id: Option<u64>) -> u64 {
    match id {
        Some(id) => id,
    }
}

fn main() {
    load(None);
}

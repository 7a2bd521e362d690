use traced::traced;

#[traced]
fn load(id: u64) -> u64 {
    idd + 1
}

fn main() {
    load(1);
}

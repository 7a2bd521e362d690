use traced::traced;

#[traced]
fn load(#[atr] id: u64) -> u64 {
    id
}

fn main() {
    load(1);
}

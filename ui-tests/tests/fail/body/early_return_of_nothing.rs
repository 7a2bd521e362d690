use traced::traced;

#[traced]
fn load(deep: bool) -> u64 {
    if deep {
        return;
    }
    1
}

fn main() {
    load(true);
}

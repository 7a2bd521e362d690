use traced::traced;

#[traced]
fn load(deep: bool) -> impl Iterator<Item = u64> {
    if deep {
        return 0..7;
    }
    vec![1].into_iter()
}

fn main() {
    load(true);
}

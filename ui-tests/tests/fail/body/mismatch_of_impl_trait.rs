use traced::traced;

#[traced]
fn load() -> impl Iterator<Item = u64> {
    vec!["load"].into_iter()
}

fn main() {
    load();
}

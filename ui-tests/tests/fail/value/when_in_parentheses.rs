use traced::traced;

#[traced(when(deep))]
fn load(deep: bool) -> bool {
    deep
}

fn main() {
    load(true);
}

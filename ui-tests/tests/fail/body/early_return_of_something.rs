use traced::traced;

#[traced]
fn load(deep: bool) {
    if deep {
        return 1;
    }
}

fn main() {
    load(true);
}

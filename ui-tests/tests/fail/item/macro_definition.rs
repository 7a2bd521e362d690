use traced::traced;

#[traced]
macro_rules! load {
    () => {};
}

fn main() {
    load!();
}

use traced::traced;

macro_rules! make {
    () => {
        fn load() {}
    };
}

#[traced]
make!();

fn main() {
    load();
}

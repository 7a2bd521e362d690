use traced::traced;

#[traced]
#[track_caller]
fn load(deep: bool) -> u64 {
    if deep {
        return "load";
    }
    1
}

fn main() {
    load(true);
}

use traced::traced;

#[traced]
async fn load(deep: bool) {
    if deep {
        return 1;
    }
}

fn main() {
    drop(load(true));
}

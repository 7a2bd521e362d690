use traced::traced;

#[traced]
async fn load(id: u64) -> u64 {
    id.lenght()
}

fn main() {
    drop(load(1));
}

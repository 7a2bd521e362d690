use traced::traced;

struct Store;

#[traced]
impl Store {
    #[traced(kind = sever)]
    async fn load(&self) -> Result<(), String> {
        Ok(())
    }
}

fn main() {
    drop(Store.load());
}

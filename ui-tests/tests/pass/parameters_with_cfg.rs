use traced::testing::capture;
use traced::traced;

#[traced(attr(c))]
fn load(#[cfg(any())] a: Missing, #[cfg(all())] b: u64, #[cfg_attr(all(), allow(unused))] c: u64) -> u64 {
    b
}

#[traced]
async fn store(#[cfg(any())] a: Missing, #[cfg(all())] (b, c): (u64, u64), #[cfg(any())] _: Missing) -> u64 {
    b + c
}

struct Store;

#[traced]
impl Store {
    #[cfg(any())]
    fn never(&self) -> Missing {}

    #[cfg(all())]
    #[cfg_attr(all(), inline)]
    fn load(&self, #[cfg(any())] a: Missing, #[allow(unused)] b: u64) {}
}

#[cfg_attr(all(), traced(name = "by cfg_attr"))]
fn conditional() {}

fn main() {
    let (_, trace) = capture(|| {
        conditional();
        Store.load(1);
        futures_executor::block_on(store((1, 2))) + load(1, 2)
    });
    assert_eq!(trace.roots(), ["by cfg_attr", "Store::load", "store", "load"]);
}

use traced::testing::capture;
use traced::traced;

#[traced]
fn load(id: u64) -> u64 {
    #![allow(unused_variables)]
    #![allow(clippy::let_and_return)]
    let unused = 1;
    id
}

#[traced]
async fn store() -> u64 {
    #![deny(warnings)]
    //! Documentation from within.
    1
}

#[traced]
#[track_caller]
fn tracked() -> u64 {
    #![inline]
    //! Documentation from within.
    1
}

struct Store;

#[traced]
impl Store {
    #![allow(unused_variables)]

    fn load(&self) -> u64 {
        #![allow(unused_mut)]
        let mut id = 1;
        let unused = 1;
        id
    }
}

fn main() {
    let (sum, trace) = capture(|| load(1) + futures_executor::block_on(store()) + tracked() + Store.load());
    assert_eq!(sum, 4);
    assert_eq!(trace.roots(), ["load", "store", "tracked", "Store::load"]);
}

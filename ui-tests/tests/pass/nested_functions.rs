use traced::testing::capture;
use traced::traced;

#[traced]
fn outer(id: u64) -> u64 {
    #[traced(attr(id))]
    fn inner(id: u64) -> u64 {
        #[traced]
        fn innermost() -> u64 {
            return 1;
        }
        id + innermost()
    }

    struct Local;

    #[traced]
    impl Local {
        fn load(&self) -> u64 {
            1
        }
    }

    let closure = |id| inner(id) + Local.load();
    closure(id)
}

#[traced]
async fn outer_async(id: u64) -> u64 {
    #[traced]
    async fn inner(id: u64) -> u64 {
        id
    }
    async { inner(id).await }.await + async move { id }.await
}

#[traced]
#[track_caller]
fn outer_tracked(id: u64) -> u64 {
    #[traced]
    fn inner(id: u64) -> u64 {
        if id == 0 {
            return 7;
        }
        id
    }
    inner(id)
}

fn main() {
    let (_, trace) = capture(|| {
        assert_eq!(outer(1), 3);
        assert_eq!(futures_executor::block_on(outer_async(1)), 2);
        assert_eq!(outer_tracked(0), 7);
    });
    assert_eq!(trace.roots(), ["outer", "outer_async", "outer_tracked"]);
}

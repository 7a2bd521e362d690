use std::fmt::{Debug, Display};
use std::marker::PhantomData;

use traced::testing::capture;
use traced::{Attribute, traced};

#[traced(attr(id, ?many, size = N))]
fn load<'a, T, U, const N: usize, const DEEP: bool>(id: T, many: &'a [U; N]) -> &'a U
where
    T: Attribute + Copy + 'static,
    U: Debug + 'a,
    [U; N]: Sized,
    for<'b> &'b U: Debug,
{
    let _ = id;
    if DEEP { &many[N - 1] } else { &many[0] }
}

#[traced(attr(%of))]
async fn load_async<'a: 'b, 'b, T: ?Sized + Display, U: From<&'a T> + 'b>(of: &'a T, _: PhantomData<&'b U>) -> U {
    of.into()
}

struct Store<'a, T: ?Sized, const N: usize = 1>(&'a T, [u64; N]);

#[traced]
impl<'a, T: Debug + ?Sized, const N: usize> Store<'a, T, N> {
    const LIMIT: usize = N;

    #[traced(attr(limit = Self::LIMIT, ?self.0))]
    fn load<'b>(&'b self, of: &'b [u64]) -> (&'a T, &'b [u64])
    where
        'a: 'b,
    {
        (self.0, if of.len() > Self::LIMIT { of } else { &self.1 })
    }

    async fn into_it(self: Box<Self>) -> &'a T {
        self.0
    }

    fn with<F, R>(&mut self, f: F) -> R
    where
        F: FnOnce(&mut Self) -> R,
    {
        f(self)
    }
}

fn main() {
    let (_, trace) = capture(|| {
        assert_eq!(*load::<_, _, 2, true>(1, &[1, 2]), 2);
        let text: String = futures_executor::block_on(load_async("a", PhantomData));
        let mut store = Store(&*text, [7]);
        assert_eq!(store.load(&[]).1, [7]);
        assert_eq!(store.with(|store| store.0.len()), 1);
        assert_eq!(futures_executor::block_on(Box::new(store).into_it()), "a");
    });
    assert_eq!(trace.roots(), ["load", "load_async", "Store::load", "Store::with", "Store::into_it"]);
    assert_eq!(trace.span("load").attribute("size"), 2);
}

use std::fmt::{self, Display};
use std::future::Future;
use std::ops::Add;

use traced::testing::capture;
use traced::traced;

trait Load<T = u64>: Sized {
    type Item<'a>
    where
        Self: 'a;
    const LIMIT: u64;

    fn load<'a>(&'a self, id: T) -> Self::Item<'a>;

    #[traced(attr(limit = Self::LIMIT))]
    fn by_default(self) -> Self {
        self
    }

    #[traced]
    async fn by_default_async(&self) -> u64 {
        Self::LIMIT
    }

    #[traced]
    fn later(&self) -> impl Future<Output = u64> + Send {
        async { Self::LIMIT }
    }

    #[traced]
    fn new() -> u64
    where
        Self: Default,
    {
        let _ = Self::default();
        Self::LIMIT
    }
}

#[derive(Default)]
struct Store<T>(T);

#[traced]
impl<T: Clone + Send + Sync + 'static> Load<T> for Store<T> {
    type Item<'a> = &'a T;
    const LIMIT: u64 = 7;

    fn load<'a>(&'a self, id: T) -> &'a T {
        drop(id);
        &self.0
    }

    async fn by_default_async(&self) -> u64 {
        8
    }
}

#[traced]
impl<T: Display> Display for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[traced]
impl<T: Add<Output = T>> Add for Store<T> {
    type Output = Self;

    fn add(self, Self(other): Self) -> Self {
        Self(self.0 + other)
    }
}

#[traced]
impl Drop for Count {
    fn drop(&mut self) {}
}

struct Count(u64);

#[traced]
impl Iterator for Count {
    type Item = u64;

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.checked_sub(1)?;
        Some(self.0)
    }
}

#[traced]
impl<T> From<Store<T>> for Count {
    fn from(_: Store<T>) -> Self {
        Self(1)
    }
}

trait Shown: Display {}

impl<T: Display> Shown for T {}

#[traced]
impl dyn Shown {
    fn size(&self) -> usize {
        self.to_string().len()
    }
}

fn main() {
    let (_, trace) = capture(|| {
        let store = Store(1_u64);
        assert_eq!(*store.load(1), 1);
        assert_eq!(store.to_string(), "1");
        assert_eq!(futures_executor::block_on(store.by_default_async()), 8);
        assert_eq!(futures_executor::block_on(store.later()), 7);
        assert_eq!(<Store<u64> as Load<u64>>::new(), 7);
        assert_eq!(Count(2).count(), 2);
        let displayed: &dyn Shown = &store;
        assert_eq!(displayed.size(), 1);
    });
    assert!(trace.roots().contains(&"Store::load"), "{trace}");
}

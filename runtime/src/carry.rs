//! Work that a traced call hands away keeps its context.
//!
//! The macro sees the spawn calls in a body and sends their argument through this module; what no macro can see
//! has a function here.

use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use opentelemetry::Context;
use pin_project_lite::pin_project;

use crate::context;

/// Carries the present context into a future or a closure that will run elsewhere.
///
/// The future is polled, the closure is called, under the context that is current now. A closure comes back
/// boxed, since a function of Rust cannot return "whatever this is, wrapped" by any other name.
///
/// ```
/// # fn hand_to_a_pool(work: impl FnOnce() + Send + 'static) { std::thread::spawn(work).join().unwrap() }
/// use traced::testing::capture;
///
/// #[traced::traced]
/// fn resize() {}
///
/// #[traced::traced]
/// fn upload() {
///     hand_to_a_pool(traced::propagate(|| resize()));
/// }
///
/// let ((), trace) = capture(upload);
/// assert_eq!(trace.span("resize").parent(), Some("upload"));
/// ```
pub fn propagate<K, W: Work<K>>(work: W) -> W::Carried {
    work.carry(context::current().unwrap_or_default())
}

/// Something that runs later: a future, or a closure without arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a future nor a closure without arguments, so it carries no context",
    label = "the context cannot be carried into this",
    note = "in a `#[traced]` function, `propagate = off` leaves the calls in the body alone"
)]
pub trait Work<K> {
    /// What it becomes.
    type Carried;

    /// Makes it run under `cx`.
    fn carry(self, cx: Context) -> Self::Carried;
}

/// Marks futures among [`Work`].
#[derive(Debug)]
pub enum AsFuture {}

/// Marks closures among [`Work`].
#[derive(Debug)]
pub struct AsClosure<R>(std::marker::PhantomData<R>);

impl<F: Future> Work<AsFuture> for F {
    type Carried = Propagated<F>;

    fn carry(self, cx: Context) -> Propagated<F> {
        Propagated { cx, future: Some(self) }
    }
}

impl<'a, R: 'a, F: FnOnce() -> R + Send + 'a> Work<AsClosure<&'a R>> for F {
    type Carried = Box<dyn FnOnce() -> R + Send + 'a>;

    fn carry(self, cx: Context) -> Self::Carried {
        Box::new(move || {
            let _current = context::attach(cx);
            self()
        })
    }
}

pin_project! {
    /// A future that is polled, and dropped, under the context it was made in; see [`propagate`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Propagated<F> {
        cx: Context,
        // Always there, until the drop takes it out under the context.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Propagated<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _current = context::attach(this.cx.clone());
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Propagated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _current = context::attach(this.cx.clone());
        this.future.as_pin_mut().expect("only the drop takes the future").poll(task)
    }
}

/// What the macro puts around the argument of a spawn call it sees. It goes by the name of what is called, so the
/// argument may be anything: the compiler finds the first of three steps whose bounds it meets.
pub fn spawned<T>(work: T) -> Spawned<T> {
    Spawned(Called(Anything(Cell::new(Some(work)))))
}

/// A future is carried.
pub struct Spawned<T>(Called<T>);

/// A closure is carried.
pub struct Called<T>(Anything<T>);

/// Anything else passes unchanged.
pub struct Anything<T>(Cell<Option<T>>);

impl<T: Future> Spawned<T> {
    /// The future, carried.
    pub fn carry(&self) -> Propagated<T> {
        self.work().carry(context::current().unwrap_or_default())
    }
}

impl<R, T: FnOnce() -> R> Called<T> {
    /// The closure, carried.
    pub fn carry(&self) -> impl FnOnce() -> R + use<R, T> {
        closure(self.work())
    }
}

impl<T> Anything<T> {
    /// What it was.
    pub fn carry(&self) -> T {
        self.work()
    }

    fn work(&self) -> T {
        self.0.take().expect("generated code asks once")
    }
}

impl<T> Deref for Spawned<T> {
    type Target = Called<T>;

    fn deref(&self) -> &Called<T> {
        &self.0
    }
}

impl<T> Deref for Called<T> {
    type Target = Anything<T>;

    fn deref(&self) -> &Anything<T> {
        &self.0
    }
}

fn closure<R, F: FnOnce() -> R>(work: F) -> impl FnOnce() -> R + use<R, F> {
    let cx = context::current().unwrap_or_default();
    move || {
        let _current = context::attach(cx);
        work()
    }
}

#[cfg(feature = "tokio")]
fn future<F: Future>(work: F) -> Propagated<F> {
    work.carry(context::current().unwrap_or_default())
}

/// `std::thread::spawn` that carries the context.
pub mod thread {
    /// Spawns a thread that runs under the present context.
    ///
    /// ```
    /// use traced::testing::capture;
    ///
    /// #[traced::traced]
    /// fn child() {}
    ///
    /// #[traced::traced(propagate = off)]
    /// fn parent() {
    ///     traced::thread::spawn(child).join().unwrap();
    /// }
    ///
    /// assert_eq!(capture(parent).1.span("child").parent(), Some("parent"));
    /// ```
    pub fn spawn<R, F>(work: F) -> std::thread::JoinHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        std::thread::spawn(super::closure(work))
    }
}

#[cfg(feature = "tokio")]
mod tasks {
    use std::future::Future;
    use std::ops::{Deref, DerefMut};

    use tokio::task::{AbortHandle, JoinHandle};

    use super::{closure, future};

    /// `tokio::spawn`, under the present context.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as `tokio::spawn` does.
    #[track_caller]
    pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future(work))
    }

    /// `tokio::task::spawn_local`, under the present context.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalSet`, as `tokio::task::spawn_local` does.
    #[track_caller]
    pub fn spawn_local<F>(work: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        tokio::task::spawn_local(future(work))
    }

    /// `tokio::task::spawn_blocking`, under the present context.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as `tokio::task::spawn_blocking` does.
    #[track_caller]
    pub fn spawn_blocking<R, F>(work: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        tokio::task::spawn_blocking(closure(work))
    }

    /// `tokio::task::JoinSet` whose tasks run under the context they were spawned in.
    ///
    /// Everything that does not spawn is tokio's own, by `Deref`.
    #[derive(Debug)]
    pub struct JoinSet<T>(tokio::task::JoinSet<T>);

    impl<T> JoinSet<T> {
        /// An empty set.
        pub fn new() -> Self {
            Self(tokio::task::JoinSet::new())
        }
    }

    impl<T: 'static> JoinSet<T> {
        /// Spawns `work` on the set, under the present context.
        ///
        /// # Panics
        ///
        /// Outside of a tokio runtime.
        #[track_caller]
        pub fn spawn<F>(&mut self, work: F) -> AbortHandle
        where
            F: Future<Output = T> + Send + 'static,
            T: Send,
        {
            self.0.spawn(future(work))
        }

        /// As [`spawn`](Self::spawn), on the present `LocalSet`.
        ///
        /// # Panics
        ///
        /// Outside of a `LocalSet`.
        #[track_caller]
        pub fn spawn_local<F>(&mut self, work: F) -> AbortHandle
        where
            F: Future<Output = T> + 'static,
        {
            self.0.spawn_local(future(work))
        }

        /// Runs blocking `work` on the set, under the present context.
        ///
        /// # Panics
        ///
        /// Outside of a tokio runtime.
        #[track_caller]
        pub fn spawn_blocking<F>(&mut self, work: F) -> AbortHandle
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send,
        {
            self.0.spawn_blocking(closure(work))
        }

        /// Waits for all tasks and gives their values, in the order they finished.
        pub async fn join_all(self) -> Vec<T> {
            self.0.join_all().await
        }
    }

    impl<T> Default for JoinSet<T> {
        fn default() -> Self {
            Self::new()
        }
    }

    impl<T> Deref for JoinSet<T> {
        type Target = tokio::task::JoinSet<T>;

        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    impl<T> DerefMut for JoinSet<T> {
        fn deref_mut(&mut self) -> &mut Self::Target {
            &mut self.0
        }
    }

    impl<T, F> FromIterator<F> for JoinSet<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        fn from_iter<I: IntoIterator<Item = F>>(tasks: I) -> Self {
            Self(tasks.into_iter().map(future).collect::<tokio::task::JoinSet<T>>())
        }
    }
}

#[cfg(feature = "tokio")]
pub use tasks::{JoinSet, spawn, spawn_blocking, spawn_local};

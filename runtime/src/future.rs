//! Futures and streams that carry a call: its span is current while they are polled, and over when they are.
//!
//! An `async fn` keeps call and body in its own frame and lends both to `Drive`. A function that returns a
//! future or a stream hands both over to `Traced` or `TracedStream`, which own them.

use std::fmt;
use std::future::Future;
use std::panic::UnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::FusedFuture;
use futures_core::stream::FusedStream;
use pin_project_lite::pin_project;
use traced_core::{Callsite, Left};

use crate::span::Call;

/// A body being polled inside the span of its call.
///
/// Built by generated code itself and as thin as can be: all of it is compiled once for each `async fn`.
#[derive(Debug)]
pub struct Drive<'a, F> {
    /// The call, in the function's frame.
    pub call: Driven<'a>,
    /// The body, pinned there as well.
    pub body: Pin<&'a mut F>,
}

/// The call of a body that is being polled.
#[derive(Debug)]
pub struct Driven<'a>(pub &'a mut Call);

impl Drop for Driven<'_> {
    /// The frame drops this first, then the body, then the call: what is attached here serves the body's drop.
    #[inline]
    fn drop(&mut self) {
        self.0.abandon();
    }
}

// A future that was caught panicking is not polled again, whether it is traced or not.
impl<F: UnwindSafe> UnwindSafe for Drive<'_, F> {}

impl<F: Future> Future for Drive<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.call.0.enter_poll(std::any::type_name::<F>());
        let polled = this.body.as_mut().poll(cx);
        // What leaves this frame by a panic goes on to the drop of the call's.
        this.call.0.left(left(&polled));
        polled
    }
}

/// How a polled future left.
#[inline]
fn left<T>(polled: &Poll<T>) -> Left {
    if polled.is_ready() { Left::Finished } else { Left::Pending }
}

/// While it lives, the call of an owner is current: the owner outlives a panic of its body.
struct Inside<'a> {
    call: &'a mut Call,
    left: Left,
}

impl<'a> Inside<'a> {
    #[inline]
    fn enter(call: &'a mut Call, body: &'static str) -> Self {
        call.enter_poll(body);
        Self { call, left: Left::Unseen }
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.call.left(self.left);
    }
}

/// The two owners of a call and its body differ in what they poll, not in how they go.
macro_rules! owner {
    ($(#[$doc:meta])* $name:ident) => {
        pin_project! {
            $(#[$doc])*
            #[must_use = "nothing happens unless it is polled"]
            pub struct $name<B, O> {
                call: Option<Call>,
                // Where to ask once more at the first poll, if nothing was set up when the function was called.
                site: Option<&'static Callsite>,
                outcome: Option<O>,
                // Always there, until the drop takes it out while the span is still current.
                #[pin]
                body: Option<B>,
            }

            impl<B, O> PinnedDrop for $name<B, O> {
                fn drop(this: Pin<&mut Self>) {
                    let mut this = this.project();
                    if let Some(call) = this.call {
                        call.abandon();
                    }
                    this.body.set(None);
                    *this.call = None;
                }
            }
        }

        impl<B: fmt::Debug, O> fmt::Debug for $name<B, O> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.body.fmt(f)
            }
        }
    };
}

owner! {
    /// A future that a traced function returned: its span begins at the first poll.
    Traced
}

owner! {
    /// A stream that a traced function returned: its span begins at the first poll and ends with the stream.
    TracedStream
}

/// Hands a future and its call over; `outcome` reads the value and ends the call.
#[inline]
pub fn traced<F, O>(
    call: Call,
    site: impl Into<Option<&'static Callsite>>,
    body: F,
    outcome: O,
) -> Traced<F, O>
where
    F: Future,
    O: FnOnce(&F::Output, Call),
{
    Traced { call: Some(call), site: site.into(), outcome: Some(outcome), body: Some(body) }
}

/// Hands a stream and its call over; `outcome` ends the call.
#[inline]
pub fn traced_stream<S, O>(
    call: Call,
    site: impl Into<Option<&'static Callsite>>,
    body: S,
    outcome: O,
) -> TracedStream<S, O>
where
    S: Stream,
    O: FnOnce(Call),
{
    TracedStream { call: Some(call), site: site.into(), outcome: Some(outcome), body: Some(body) }
}

impl<F: Future, O: FnOnce(&F::Output, Call)> Future for Traced<F, O> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let body = this.body.as_pin_mut().expect("only the drop takes the body");
        // Whoever polls a future that is over meets that future, as without us.
        let Some(call) = this.call else { return body.poll(cx) };
        call.ask_again(this.site.take());
        let mut inside = Inside::enter(call, std::any::type_name::<F>());
        let polled = body.poll(cx);
        inside.left = left(&polled);
        drop(inside);
        if let Poll::Ready(value) = &polled
            && let (Some(call), Some(outcome)) = (this.call.take(), this.outcome.take())
        {
            outcome(value, call);
        }
        polled
    }
}

impl<F: FusedFuture, O: FnOnce(&F::Output, Call)> FusedFuture for Traced<F, O> {
    fn is_terminated(&self) -> bool {
        self.body.as_ref().is_none_or(F::is_terminated)
    }
}

impl<S: FusedStream, O: FnOnce(Call)> FusedStream for TracedStream<S, O> {
    fn is_terminated(&self) -> bool {
        self.body.as_ref().is_none_or(S::is_terminated)
    }
}

impl<S: Stream, O: FnOnce(Call)> Stream for TracedStream<S, O> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let body = this.body.as_pin_mut().expect("only the drop takes the body");
        let Some(call) = this.call else { return body.poll_next(cx) };
        call.ask_again(this.site.take());
        let mut inside = Inside::enter(call, std::any::type_name::<S>());
        let polled = body.poll_next(cx);
        inside.left = match &polled {
            Poll::Pending => Left::Pending,
            Poll::Ready(Some(_)) => Left::Yielded,
            Poll::Ready(None) => Left::Finished,
        };
        drop(inside);
        if let Poll::Ready(None) = polled
            && let (Some(call), Some(outcome)) = (this.call.take(), this.outcome.take())
        {
            outcome(call);
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.body.as_ref().map_or((0, None), Stream::size_hint)
    }
}

/// A boxed future or stream that can be boxed again around its call.
///
/// The alias that `future` or `stream` speaks of must name one of these: a concrete type cannot be wrapped.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a boxed future",
    label = "this type cannot carry a span",
    note = "`#[traced]` needs `impl Future`, `Pin<Box<dyn Future>>` or an alias of it to let the span live as long as the future"
)]
pub trait BoxedFuture: Future + Sized {
    /// Boxes `self` with its call.
    fn carry<O>(self, call: Call, site: &'static Callsite, outcome: O) -> Self
    where
        O: FnOnce(&Self::Output, Call) + Send + Sync + 'static;
}

/// As [`BoxedFuture`], for streams.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a boxed stream",
    label = "this type cannot carry a span",
    note = "`#[traced]` needs `impl Stream`, `Pin<Box<dyn Stream>>` or an alias of it to let the span live as long as the stream"
)]
pub trait BoxedStream: Stream + Sized {
    /// Boxes `self` with its call.
    fn carry<O>(self, call: Call, site: &'static Callsite, outcome: O) -> Self
    where
        O: FnOnce(Call) + Send + Sync + 'static;
}

macro_rules! boxed {
    ($($bounds:tt)*) => {
        impl<'a, T: 'a> BoxedFuture for Pin<Box<dyn Future<Output = T> $($bounds)* + 'a>> {
            fn carry<O>(self, call: Call, site: &'static Callsite, outcome: O) -> Self
            where
                O: FnOnce(&T, Call) + Send + Sync + 'static,
            {
                Box::pin(traced(call, site, self, outcome))
            }
        }

        impl<'a, T: 'a> BoxedStream for Pin<Box<dyn Stream<Item = T> $($bounds)* + 'a>> {
            fn carry<O>(self, call: Call, site: &'static Callsite, outcome: O) -> Self
            where
                O: FnOnce(Call) + Send + Sync + 'static,
            {
                Box::pin(traced_stream(call, site, self, outcome))
            }
        }
    };
}
boxed!();
boxed!(+ Send);
boxed!(+ Sync);
boxed!(+ Send + Sync);

//! `?` for bodies that stay in their function's frame, where it must leave a block and not the function.
//!
//! `Try` and `FromResidual` are not stable; these say the same for the types that the language's `?` takes.
//! They can go when those are.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::task::Poll;

/// A value that `?` stands behind.
#[diagnostic::on_unimplemented(
    message = "the `?` operator can only be applied to values that implement `Try`"
)]
pub trait Attempt {
    /// What goes on.
    type Output;
    /// What leaves.
    type Residual;

    /// Goes on, or leaves.
    fn branch(self) -> ControlFlow<Self::Residual, Self::Output>;
}

/// A value that can be made of what left.
#[diagnostic::on_unimplemented(
    message = "`?` couldn't convert the error: `{Self}` cannot be made from `{R}`"
)]
pub trait Residual<R> {
    /// Makes it.
    fn from_residual(residual: R) -> Self;
}

impl<T, E> Attempt for Result<T, E> {
    type Output = T;
    type Residual = Result<Infallible, E>;

    #[inline]
    fn branch(self) -> ControlFlow<Result<Infallible, E>, T> {
        match self {
            Ok(value) => ControlFlow::Continue(value),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }
}

impl<T> Attempt for Option<T> {
    type Output = T;
    type Residual = Option<Infallible>;

    #[inline]
    fn branch(self) -> ControlFlow<Option<Infallible>, T> {
        match self {
            Some(value) => ControlFlow::Continue(value),
            None => ControlFlow::Break(None),
        }
    }
}

impl<B, C> Attempt for ControlFlow<B, C> {
    type Output = C;
    type Residual = ControlFlow<B, Infallible>;

    #[inline]
    fn branch(self) -> ControlFlow<ControlFlow<B, Infallible>, C> {
        match self {
            ControlFlow::Continue(value) => ControlFlow::Continue(value),
            ControlFlow::Break(value) => ControlFlow::Break(ControlFlow::Break(value)),
        }
    }
}

impl<T, E> Attempt for Poll<Result<T, E>> {
    type Output = Poll<T>;
    type Residual = Result<Infallible, E>;

    #[inline]
    fn branch(self) -> ControlFlow<Result<Infallible, E>, Poll<T>> {
        match self {
            Poll::Ready(Ok(value)) => ControlFlow::Continue(Poll::Ready(value)),
            Poll::Ready(Err(error)) => ControlFlow::Break(Err(error)),
            Poll::Pending => ControlFlow::Continue(Poll::Pending),
        }
    }
}

impl<T, E> Attempt for Poll<Option<Result<T, E>>> {
    type Output = Poll<Option<T>>;
    type Residual = Result<Infallible, E>;

    #[inline]
    fn branch(self) -> ControlFlow<Result<Infallible, E>, Poll<Option<T>>> {
        match self {
            Poll::Ready(Some(Ok(value))) => ControlFlow::Continue(Poll::Ready(Some(value))),
            Poll::Ready(Some(Err(error))) => ControlFlow::Break(Err(error)),
            Poll::Ready(None) => ControlFlow::Continue(Poll::Ready(None)),
            Poll::Pending => ControlFlow::Continue(Poll::Pending),
        }
    }
}

impl<T, E, F: From<E>> Residual<Result<Infallible, E>> for Result<T, F> {
    #[inline]
    fn from_residual(residual: Result<Infallible, E>) -> Self {
        match residual {
            Err(error) => Err(F::from(error)),
            Ok(never) => match never {},
        }
    }
}

impl<T, E, F: From<E>> Residual<Result<Infallible, E>> for Poll<Result<T, F>> {
    #[inline]
    fn from_residual(residual: Result<Infallible, E>) -> Self {
        Poll::Ready(Residual::from_residual(residual))
    }
}

impl<T, E, F: From<E>> Residual<Result<Infallible, E>> for Poll<Option<Result<T, F>>> {
    #[inline]
    fn from_residual(residual: Result<Infallible, E>) -> Self {
        Poll::Ready(Some(Residual::from_residual(residual)))
    }
}

impl<T> Residual<Option<Infallible>> for Option<T> {
    #[inline]
    fn from_residual(_: Option<Infallible>) -> Self {
        None
    }
}

impl<B, C> Residual<ControlFlow<B, Infallible>> for ControlFlow<B, C> {
    #[inline]
    fn from_residual(residual: ControlFlow<B, Infallible>) -> Self {
        match residual {
            ControlFlow::Break(value) => ControlFlow::Break(value),
            ControlFlow::Continue(never) => match never {},
        }
    }
}

//! What a span can hang under, and what it can be linked to.
//!
//! `parent = …` and `links(…)` take what has these traits. Nothing here knows a format: carriers are read by
//! `extract`.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

use super::{Extract, extract, is_deferred};

/// What a span hangs under when `parent = …` says so: usually a caller in another service, as [`extract`]
/// found it.
///
/// ```
/// use traced::Parent;
///
/// let parent = traced::extract(&[("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1")]);
/// assert!(parent.is_valid() && parent.span_context().is_remote());
/// assert!(!Parent::none().is_valid(), "a span under it starts a trace");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Parent(Context);

impl Parent {
    /// No parent: a span under it starts a new trace.
    #[inline]
    pub fn none() -> Self {
        Self::default()
    }

    /// The context, with the parent's baggage.
    pub fn context(&self) -> &Context {
        &self.0
    }

    /// The parent span; its ids are all zeros when there is none.
    #[inline]
    pub fn span_context(&self) -> SpanContext {
        self.0.as_link()
    }

    /// Whether there is a parent span.
    pub fn is_valid(&self) -> bool {
        self.span_context().is_valid()
    }

    /// Whether the parent has ids but no decision on sampling, which B3 allows.
    ///
    /// It is not one that was not sampled: the sampler of the set-up decides, asked as for a root. A provider of
    /// the program's own, behind [`attach_global`](crate::attach_global), is not told.
    pub fn is_deferred(&self) -> bool {
        is_deferred(&self.0)
    }
}

impl From<Context> for Parent {
    fn from(cx: Context) -> Self {
        Self(cx)
    }
}

impl From<SpanContext> for Parent {
    #[inline]
    fn from(span: SpanContext) -> Self {
        if span.is_valid() { Self(Context::new().with_remote_span_context(span)) } else { Self::none() }
    }
}

impl From<Parent> for Context {
    #[inline]
    fn from(parent: Parent) -> Self {
        parent.0
    }
}

/// What `parent = …` accepts: a `Context`, a `SpanContext`, a [`Parent`], and all that [`extract`] reads. Of
/// an `Option`, `None` is no parent, so that the span starts a trace.
///
/// ```
/// use traced::{AsParent, Parent};
///
/// let headers = [("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1")];
/// assert!(headers.as_parent().is_valid());
/// assert!(!None::<Parent>.as_parent().is_valid());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parent",
    label = "not a parent",
    note = "`parent = …` takes a `Context`, a `SpanContext`, a `traced::Parent`, or what `traced::extract` reads: an \
            `http::HeaderMap` (feature `http`), a map or a list of pairs of strings, a `traced::Environment`"
)]
pub trait AsParent {
    /// The parent.
    fn as_parent(&self) -> Parent;
}

#[diagnostic::do_not_recommend]
impl<T: Extract + ?Sized> AsParent for T {
    fn as_parent(&self) -> Parent {
        extract(self)
    }
}

/// References are spelled out: a blanket implementation for them would meet the one for references to
/// carriers.
macro_rules! as_parent {
    ($($type:ty => |$parent:ident| $expr:expr;)+) => {$(
        impl AsParent for $type {
            #[inline]
            fn as_parent(&self) -> Parent {
                let $parent = self;
                $expr
            }
        }

        impl AsParent for &$type {
            #[inline]
            fn as_parent(&self) -> Parent {
                <$type>::as_parent(self)
            }
        }
    )+};
}

as_parent! {
    Context => |cx| Parent(cx.clone());
    SpanContext => |span| Parent::from(span.clone());
    Parent => |parent| parent.clone();
}

impl<T: AsParent> AsParent for Option<T> {
    fn as_parent(&self) -> Parent {
        self.as_ref().map_or_else(Parent::none, T::as_parent)
    }
}

impl<T: AsParent> AsParent for &Option<T> {
    fn as_parent(&self) -> Parent {
        (**self).as_parent()
    }
}

/// What `links(…)` accepts each of: a `SpanContext`, a `Context`, a [`Parent`], or a reference to one.
///
/// ```
/// use traced::{AsLink, Parent};
///
/// assert!(!Parent::none().as_link().is_valid());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be linked to",
    label = "not a link",
    note = "a link is a `SpanContext`, a `Context`, a `traced::Parent`, or a reference to one of them"
)]
pub trait AsLink {
    /// The span to link to.
    fn as_link(&self) -> SpanContext;
}

impl AsLink for SpanContext {
    #[inline]
    fn as_link(&self) -> SpanContext {
        self.clone()
    }
}

impl AsLink for Context {
    #[inline]
    fn as_link(&self) -> SpanContext {
        self.span().span_context().clone()
    }
}

impl AsLink for Parent {
    #[inline]
    fn as_link(&self) -> SpanContext {
        self.span_context()
    }
}

impl<T: AsLink + ?Sized> AsLink for &T {
    fn as_link(&self) -> SpanContext {
        T::as_link(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::Carrier;
    use super::super::tests::{W3C, extracted};
    use super::super::trace_context::TRACEPARENT;
    use super::*;

    #[test]
    fn a_parent_is_made_of_all_that_has_a_span() {
        let span = extracted([(TRACEPARENT, W3C)]).span_context();
        let cx = Context::new().with_remote_span_context(span.clone());
        let parent = Parent::from(span.clone());
        let headers = HashMap::from([(TRACEPARENT, W3C)]);
        let parents: [&dyn AsParent; 11] = [
            &span,
            &&span,
            &cx,
            &&cx,
            &parent,
            &&parent,
            &Some(&parent),
            &&Some(Some(&headers)),
            &headers,
            &&headers,
            &Carrier(&HashMap::from([(TRACEPARENT.to_owned(), W3C.to_owned())])),
        ];
        for parent in parents {
            assert_eq!(parent.as_parent().span_context(), span);
        }
        let none: [&dyn AsParent; 5] =
            [&None::<Context>, &Parent::none(), &Context::new(), &SpanContext::NONE, &[("a", "b")]];
        for parent in none {
            assert!(!parent.as_parent().is_valid());
        }
        assert!(!Parent::from(SpanContext::NONE).context().has_active_span());
        let links: [&dyn AsLink; 4] = [&span, &&cx, &parent, &&&parent];
        for link in links {
            assert_eq!(link.as_link(), span);
        }
    }
}

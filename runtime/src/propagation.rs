//! Context on its way between services: [`inject`] writes it into a carrier, [`extract`] reads it out of one.
//!
//! Stands at the edge of the program and trusts nothing that comes in. A header that is malformed, repeated
//! or oversized is treated as if it were absent, before any propagator sees it, and only what was understood
//! is ever written again. Knows nothing of spans beyond their `SpanContext`.
//!
//! The formats are written out here rather than taken from `opentelemetry_sdk` and
//! `opentelemetry-propagator-b3` (0.33), which accept ids of any length and with a `+`, control characters in
//! a `tracestate` and line breaks in the properties of baggage, write `b3: 0` where there is no span, and
//! lose the sampling of B3's `d`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::env;
use std::process::Command;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::{error, fmt};

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

use crate::value::survive;

/// Writes the current context into `carrier`, so that what receives it continues the trace.
///
/// ```
/// use std::collections::HashMap;
/// use opentelemetry::Context;
/// use opentelemetry::trace::TraceContextExt;
///
/// // A caller, whose request we handle.
/// let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let received = HashMap::from([("traceparent", caller)]);
/// let _current = Context::from(traced::extract(&received)).attach();
///
/// // A service that we call in turn.
/// let mut sent = HashMap::new();
/// traced::inject(&mut sent);
/// assert_eq!(sent["traceparent"], caller);
/// ```
///
/// Written are `traceparent`, `tracestate` and `baggage` of W3C, unless the set-up names other propagators.
/// An entry that stands in the carrier under the same name is replaced; a `tracestate` left over from another
/// trace is removed. Without a current span, nothing in the carrier is touched, except that baggage is
/// written.
///
/// Nothing is written that is not printable ASCII, so no value can end a header or begin another.
pub fn inject<C: Inject + ?Sized>(carrier: &mut C) {
    // A clone, since the carrier's code must not run while the current context is borrowed.
    inject_context(&Context::current(), carrier);
}

/// Writes `cx` into `carrier`, as [`inject`] does with the current context.
///
/// ```
/// use opentelemetry::Context;
/// use opentelemetry::baggage::BaggageExt;
/// use opentelemetry::KeyValue;
///
/// let cx = Context::new().with_baggage([KeyValue::new("tenant", "blue, inc.")]);
/// let mut pairs = Vec::new();
/// traced::inject_context(&cx, &mut pairs);
/// assert_eq!(pairs, [("baggage".to_owned(), "tenant=blue%2C%20inc.".to_owned())]);
/// ```
pub fn inject_context<C: Inject + ?Sized>(cx: &Context, mut carrier: &mut C) {
    configured().write(cx, &mut carrier);
}

/// Reads out of `carrier` the context that its sender injected.
///
/// ```
/// use traced::extract;
///
/// let b3 = [("X-B3-TraceId", "0af7651916cd43dd8448eb211c80319c"), ("X-B3-SpanId", "b7ad6b7169203331")];
/// assert_eq!(extract(&b3).span_context().span_id().to_string(), "b7ad6b7169203331");
///
/// let hostile = [("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")];
/// assert!(!extract(&hostile).is_valid());
/// ```
///
/// Read are W3C's `traceparent`, `tracestate` and `baggage`, then B3, single and multi, unless the set-up
/// names other propagators; the first that finds a valid parent decides. The result holds what the carrier
/// says and nothing of the current context.
///
/// Without a valid parent, a span under the result starts a new trace. That is so when a header is malformed,
/// when it is given twice (except `tracestate` and `baggage`, which may be spread over several) or when it is
/// longer than 8192 bytes. A `tracestate` that is malformed, has more than 32 members or more than 512
/// characters is dropped, and the parent kept. Baggage of more than 8192 bytes or 180 members is dropped; of
/// fewer, the first 64 are kept.
pub fn extract<C: Extract + ?Sized>(carrier: &C) -> Parent {
    Parent(configured().read(&Context::new(), &carrier))
}

/// Something [`inject`] can write to.
///
/// That is an `http::HeaderMap` (feature `http`), a `HashMap` or `BTreeMap` of `String`s, a `Vec` of pairs of
/// `String`s, a [`Command`] (its environment) and, in a [`Carrier`], anything with OpenTelemetry's
/// `Injector`.
///
/// ```
/// use traced::Inject;
///
/// /// A message of a queue that has one header for each name.
/// #[derive(Default)]
/// struct Message(std::collections::BTreeMap<String, Vec<u8>>);
///
/// impl Inject for Message {
///     fn set(&mut self, name: &str, value: &str) {
///         self.0.insert(name.to_owned(), value.into());
///     }
///
///     fn unset(&mut self, name: &str) {
///         self.0.remove(name);
///     }
/// }
///
/// let mut message = Message::default();
/// traced::inject(&mut message);
/// assert!(message.0.is_empty(), "nothing is current");
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing can be injected into `{Self}`",
    label = "not a carrier that can be written",
    note = "a carrier is an `http::HeaderMap` (feature `http`), a map or a `Vec` of pairs of `String`s, a \
            `std::process::Command`, or a `traced::Carrier` around an `opentelemetry` `Injector`"
)]
pub trait Inject {
    /// Puts `value` under `name`, in place of whatever is there. The name is in lower case; both are
    /// printable ASCII.
    fn set(&mut self, name: &str, value: &str);

    /// Removes whatever is under `name`, so that nothing stays there from another trace.
    fn unset(&mut self, name: &str);
}

/// Something [`extract`] can read from.
///
/// That is an `http::HeaderMap` (feature `http`), a `HashMap` or `BTreeMap` of strings, an array, a slice or
/// a `Vec` of pairs of strings, the [`Environment`] and, in a [`Carrier`], anything with OpenTelemetry's
/// `Extractor`.
///
/// ```
/// use traced::{Extract, extract};
///
/// /// A message of a queue, with headers of bytes.
/// struct Message(Vec<(String, Vec<u8>)>);
///
/// impl Extract for Message {
///     fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
///         for (key, value) in &self.0 {
///             if key.eq_ignore_ascii_case(name) {
///                 found(value);
///             }
///         }
///     }
/// }
///
/// let value = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_vec();
/// assert!(extract(&Message(vec![("Traceparent".into(), value)])).is_valid());
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing can be extracted from `{Self}`",
    label = "not a carrier that can be read",
    note = "a carrier is an `http::HeaderMap` (feature `http`), a map or a list of pairs of strings, a \
            `traced::Environment`, or a `traced::Carrier` around an `opentelemetry` `Extractor`"
)]
pub trait Extract {
    /// Hands over every value under `name`, in order. The name is in lower case; a carrier's own names may be
    /// in any.
    fn find(&self, name: &str, found: &mut dyn FnMut(&[u8]));

    /// Hands over every name. Only propagators of your own that look for a prefix need it.
    fn names(&self, found: &mut dyn FnMut(&str)) {
        let _ = found;
    }
}

impl<T: Inject + ?Sized> Inject for &mut T {
    fn set(&mut self, name: &str, value: &str) {
        T::set(self, name, value);
    }

    fn unset(&mut self, name: &str) {
        T::unset(self, name);
    }
}

macro_rules! extract_through {
    ($($pointer:ty),+) => {$(
        impl<T: Extract + ?Sized> Extract for $pointer {
            fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
                T::find(self, name, found);
            }

            fn names(&self, found: &mut dyn FnMut(&str)) {
                T::names(self, found);
            }
        }
    )+};
}

extract_through!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

#[cfg(feature = "http")]
impl Inject for http::HeaderMap {
    fn set(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::from_bytes(name.as_bytes()), value.parse()) {
            self.insert(name, value);
        }
    }

    fn unset(&mut self, name: &str) {
        self.remove(name);
    }
}

#[cfg(feature = "http")]
impl Extract for http::HeaderMap {
    fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
        self.get_all(name).iter().for_each(|value| found(value.as_bytes()));
    }

    fn names(&self, found: &mut dyn FnMut(&str)) {
        self.keys().for_each(|name| found(name.as_str()));
    }
}

/// Maps of strings: a name in another case is the same name, and is replaced.
macro_rules! inject_map {
    ($([$($generics:tt)*] $map:ty;)+) => {$(
        impl<$($generics)*> Inject for $map {
            fn set(&mut self, name: &str, value: &str) {
                self.unset(name);
                self.insert(name.to_owned(), value.to_owned());
            }

            fn unset(&mut self, name: &str) {
                self.retain(|key, _| !key.eq_ignore_ascii_case(name));
            }
        }
    )+};
}

inject_map! {
    [S: std::hash::BuildHasher] HashMap<String, String, S>;
    [] BTreeMap<String, String>;
}

impl Inject for Vec<(String, String)> {
    fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.push((name.to_owned(), value.to_owned()));
    }

    fn unset(&mut self, name: &str) {
        self.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }
}

/// Whatever yields pairs of strings. All of a map is looked through, since two spellings of one name are a
/// repeated header.
macro_rules! extract_pairs {
    ($([$($generics:tt)*] $pairs:ty;)+) => {$(
        impl<K: AsRef<str>, V: AsRef<str>, $($generics)*> Extract for $pairs {
            fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
                for (key, value) in self {
                    if key.as_ref().eq_ignore_ascii_case(name) {
                        found(value.as_ref().as_bytes());
                    }
                }
            }

            fn names(&self, found: &mut dyn FnMut(&str)) {
                for (key, _) in self {
                    found(key.as_ref());
                }
            }
        }
    )+};
}

extract_pairs! {
    [S] HashMap<K, V, S>;
    [] BTreeMap<K, V>;
    [] [(K, V)];
    [const N: usize] [(K, V); N];
    [] Vec<(K, V)>;
}

/// The environment of the command, and so of the process it starts, which reads it with [`Environment`].
///
/// Names are in upper case with `_` for all that is neither a letter nor a digit: `TRACEPARENT`,
/// `X_B3_TRACEID`. A command of tokio is injected through its `as_std_mut()`.
impl Inject for Command {
    fn set(&mut self, name: &str, value: &str) {
        self.env(variable(name), value);
    }

    fn unset(&mut self, name: &str) {
        self.env_remove(variable(name));
    }
}

/// The environment of this process, to continue the trace of the process that started it.
///
/// ```
/// use traced::{Environment, extract};
///
/// // The `TRACEPARENT` of whoever started us, if there is one.
/// let parent = extract(&Environment);
/// assert_eq!(parent.is_valid(), parent.span_context().is_remote());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl Extract for Environment {
    fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
        if let Some(value) = env::var_os(variable(name)) {
            found(value.as_encoded_bytes());
        }
    }

    fn names(&self, found: &mut dyn FnMut(&str)) {
        for (name, _) in env::vars_os() {
            if let Some(name) = name.to_str().filter(|name| !name.contains(|c: char| c.is_ascii_lowercase()))
            {
                found(&name.to_ascii_lowercase().replace('_', "-"));
            }
        }
    }
}

/// The environment variable that carries the header `name`.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// A carrier that has OpenTelemetry's own traits: holds a reference to an `Extractor` or `Injector`.
///
/// ```
/// use opentelemetry::propagation::Extractor;
/// use traced::{Carrier, extract};
///
/// struct Metadata;
///
/// impl Extractor for Metadata {
///     fn get(&self, key: &str) -> Option<&str> {
///         (key == "traceparent").then_some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
///     }
///
///     fn keys(&self) -> Vec<&str> {
///         vec!["traceparent"]
///     }
/// }
///
/// assert!(extract(&Carrier(&Metadata)).is_valid());
/// ```
///
/// An `Injector` cannot remove an entry, so do not reuse one for another trace.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<T>(pub T);

impl<T: Injector + ?Sized> Inject for Carrier<&mut T> {
    fn set(&mut self, name: &str, value: &str) {
        self.0.set(name, value.to_owned());
    }

    fn unset(&mut self, _: &str) {}
}

impl<T: Extractor + ?Sized> Extract for Carrier<&T> {
    fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
        let values = self.0.get_all(name).into_iter().flatten();
        values.for_each(|value| found(value.as_bytes()));
    }

    fn names(&self, found: &mut dyn FnMut(&str)) {
        self.0.keys().into_iter().for_each(found);
    }
}

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
    pub fn none() -> Self {
        Self::default()
    }

    /// The context, with the parent's baggage.
    pub fn context(&self) -> &Context {
        &self.0
    }

    /// The parent span; its ids are all zeros when there is none.
    pub fn span_context(&self) -> SpanContext {
        self.0.as_link()
    }

    /// Whether there is a parent span.
    pub fn is_valid(&self) -> bool {
        self.span_context().is_valid()
    }

    /// Whether the parent has ids but no decision on sampling, which B3 allows: it is ours to decide, and the
    /// parent is not to be taken for one that was not sampled.
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
    fn from(span: SpanContext) -> Self {
        if span.is_valid() { Self(Context::new().with_remote_span_context(span)) } else { Self::none() }
    }
}

impl From<Parent> for Context {
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
            fn as_parent(&self) -> Parent {
                let $parent = self;
                $expr
            }
        }

        impl AsParent for &$type {
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
    fn as_link(&self) -> SpanContext {
        self.clone()
    }
}

impl AsLink for Context {
    fn as_link(&self) -> SpanContext {
        self.span().span_context().clone()
    }
}

impl AsLink for Parent {
    fn as_link(&self) -> SpanContext {
        self.span_context()
    }
}

impl<T: AsLink + ?Sized> AsLink for &T {
    fn as_link(&self) -> SpanContext {
        T::as_link(self)
    }
}

/// A format in which context travels.
///
/// ```
/// use traced::Propagator;
///
/// // The names are those of `OTEL_PROPAGATORS`.
/// assert!(matches!("b3multi".parse(), Ok(Propagator::B3Multi)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Propagator {
    /// W3C's `traceparent` and `tracestate`.
    TraceContext,
    /// W3C's `baggage`.
    Baggage,
    /// B3 in the one header `b3`. Either B3 reads both forms.
    B3Single,
    /// B3 in the headers `x-b3-traceid`, `x-b3-spanid` and `x-b3-sampled`. Either B3 reads both forms.
    B3Multi,
    /// One of your own. It sees no header that is malformed or oversized, nothing it writes but printable
    /// ASCII gets through, and if it panics, nothing is read or written.
    Custom(Box<dyn TextMapPropagator + Send + Sync>),
}

impl<P: TextMapPropagator + Send + Sync + 'static> From<P> for Propagator {
    fn from(propagator: P) -> Self {
        Self::Custom(Box::new(propagator))
    }
}

impl FromStr for Propagator {
    type Err = UnknownPropagator;

    fn from_str(name: &str) -> Result<Self, UnknownPropagator> {
        match name {
            "tracecontext" => Ok(Self::TraceContext),
            "baggage" => Ok(Self::Baggage),
            "b3" => Ok(Self::B3Single),
            "b3multi" => Ok(Self::B3Multi),
            _ => Err(UnknownPropagator(name.to_owned())),
        }
    }
}

/// A name that is no [`Propagator`]'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPropagator(String);

impl fmt::Display for UnknownPropagator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        write!(f, "unknown propagator `{name}`; expected one of `tracecontext`, `baggage`, `b3`, `b3multi`")
    }
}

impl error::Error for UnknownPropagator {}

/// Several propagators as one. They are asked in order; of those that find a parent, the first decides.
#[derive(Clone, Debug)]
pub(crate) struct Propagators {
    list: Arc<[Propagator]>,
    /// So many of the list, from the front, write; all of them read.
    writing: usize,
    /// The names they write under, for `TextMapPropagator`.
    fields: Arc<[String]>,
}

static CONFIGURED: LazyLock<RwLock<Propagators>> = LazyLock::new(RwLock::default);

/// Says which propagators write and read from now on: all of `list`, or those of a program without a set-up.
pub(crate) fn configure(list: Option<Vec<Propagator>>) {
    replace(list.map_or_else(Propagators::default, Propagators::new));
}

fn replace(mut propagators: Propagators) {
    let mut configured = CONFIGURED.write().unwrap_or_else(PoisonError::into_inner);
    std::mem::swap(&mut *configured, &mut propagators);
    // What was there is dropped without the lock: a propagator of the user's may have a `Drop`.
    drop(configured);
}

/// The propagators as they are now; a later set-up does not change them.
pub(crate) fn configured() -> Propagators {
    CONFIGURED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Default for Propagators {
    /// Without a set-up: writes W3C, which everybody reads by now, and reads B3 as well, which many still
    /// write.
    fn default() -> Self {
        Self::both(vec![Propagator::TraceContext, Propagator::Baggage], vec![Propagator::B3Single])
    }
}

impl Propagators {
    /// All of `list` write and read; of none, nothing is written or read.
    fn new(list: Vec<Propagator>) -> Self {
        Self::both(list, Vec::new())
    }

    fn both(writing: Vec<Propagator>, reading_only: Vec<Propagator>) -> Self {
        let fields = writing.iter().flat_map(Propagator::fields).map(str::to_owned).collect();
        Self { writing: writing.len(), list: writing.into_iter().chain(reading_only).collect(), fields }
    }

    fn write(&self, cx: &Context, carrier: &mut dyn Inject) {
        for propagator in &self.list[..self.writing] {
            propagator.write(cx, carrier);
        }
    }

    fn read(&self, cx: &Context, carrier: &dyn Extract) -> Context {
        let mut cx = cx.clone();
        let mut parent = None;
        for propagator in self.list.iter() {
            match propagator {
                Propagator::TraceContext if parent.is_none() => {
                    let Some(span) = trace_context(carrier) else {
                        continue;
                    };
                    cx = cx.with_remote_span_context(span.clone());
                    parent = Some(span);
                }
                Propagator::B3Single | Propagator::B3Multi if parent.is_none() => {
                    let Some(caller) = b3(carrier) else { continue };
                    cx = caller.over(&cx);
                    parent = Some(cx.as_link());
                }
                Propagator::TraceContext | Propagator::B3Single | Propagator::B3Multi => {}
                Propagator::Baggage => {
                    let Some(members) = baggage(carrier) else { continue };
                    cx = cx.with_baggage(members);
                }
                Propagator::Custom(custom) => {
                    let read = survive(|| {
                        custom.extract_with_context(&cx, &Headers::screened(custom.fields(), carrier))
                    });
                    let Some(read) = read else { continue };
                    let (was, is) = (cx.as_link(), read.as_link());
                    cx = read;
                    match &parent {
                        Some(parent) => cx = cx.with_remote_span_context(parent.clone()),
                        None if is.is_valid() && is != was => parent = Some(is),
                        None => {}
                    }
                }
            }
        }
        cx
    }
}

/// For `opentelemetry::global`, so that libraries that ask there speak the same formats, as strictly.
impl TextMapPropagator for Propagators {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        self.write(cx, &mut Carrier(injector));
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.read(cx, &Carrier(extractor))
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";
const B3: &str = "b3";
const B3_TRACE_ID: &str = "x-b3-traceid";
const B3_SPAN_ID: &str = "x-b3-spanid";
const B3_PARENT_SPAN_ID: &str = "x-b3-parentspanid";
const B3_SAMPLED: &str = "x-b3-sampled";
const B3_FLAGS: &str = "x-b3-flags";

/// The names that have a format here.
const KNOWN: [&str; 9] =
    [TRACEPARENT, TRACESTATE, BAGGAGE, B3, B3_TRACE_ID, B3_SPAN_ID, B3_PARENT_SPAN_ID, B3_SAMPLED, B3_FLAGS];

impl Propagator {
    /// The names it writes under or removes.
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::TraceContext => vec![TRACEPARENT, TRACESTATE],
            Self::Baggage => vec![BAGGAGE],
            Self::B3Single => vec![B3],
            Self::B3Multi => vec![B3_TRACE_ID, B3_SPAN_ID, B3_PARENT_SPAN_ID, B3_SAMPLED, B3_FLAGS],
            Self::Custom(custom) => custom.fields().collect(),
        }
    }

    fn write(&self, cx: &Context, carrier: &mut dyn Inject) {
        let mut written = Written::default();
        match self {
            Self::TraceContext => write_trace_context(cx, &mut written),
            Self::Baggage => write_baggage(cx, &mut written),
            Self::B3Single => write_b3_single(cx, &mut written),
            Self::B3Multi => write_b3_multi(cx, &mut written),
            Self::Custom(custom) => {
                if survive(|| custom.inject_context(cx, &mut written)).is_none() {
                    return;
                }
                written.0.retain(|(name, value)| may_write(cx, name, value));
            }
        }
        // What writes at all answers for all its fields; what has nothing to say leaves a proxy's headers
        // alone.
        if written.0.is_empty() {
            return;
        }
        for field in self.fields() {
            if !written.0.iter().any(|(name, _)| name.eq_ignore_ascii_case(field)) {
                carrier.unset(&field.to_ascii_lowercase());
            }
        }
        for (name, value) in &written.0 {
            carrier.set(name, value);
        }
    }
}

/// Whether what a propagator of the user's has written can go out.
fn may_write(cx: &Context, name: &str, value: &str) -> bool {
    if name.is_empty()
        || !name.bytes().all(is_token)
        || header_text(value.as_bytes()).is_none_or(str::is_empty)
    {
        return false;
    }
    match name {
        // OpenTelemetry's own writes "not sampled" where there is no span, which would switch tracing off
        // down the line.
        B3 | B3_SAMPLED => cx.as_link().is_valid(),
        TRACEPARENT => traceparent(value).is_some(),
        TRACESTATE => tracestate(value).is_some(),
        _ => true,
    }
}

/// What a propagator is about to write, by name in lower case.
#[derive(Default)]
struct Written(Vec<(Cow<'static, str>, String)>);

impl Written {
    fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

impl Injector for Written {
    fn set(&mut self, name: &str, value: String) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name.into(), value));
    }
}

/// What a propagator of the user's may read, by name in lower case.
struct Headers(Vec<(String, Vec<String>)>);

impl Headers {
    /// What of `carrier` a propagator of the user's may see: of the names that have a format here, what has
    /// that format; of any other name, what is the text of a header.
    fn screened<'a>(fields: impl Iterator<Item = &'a str>, carrier: &dyn Extract) -> Self {
        const MAX_NAMES: usize = 256;

        let mut names: Vec<String> = fields.chain(KNOWN).map(str::to_ascii_lowercase).collect();
        carrier.names(&mut |name| {
            // Each is looked for in the whole carrier, so a flood of them would take its time squared.
            if names.len() < MAX_NAMES {
                names.push(name.to_ascii_lowercase());
            }
        });
        names.sort_unstable();
        names.dedup();

        let screened = |name: String| {
            let values = headers(carrier, &name).ok()?;
            let only = || <[String; 1]>::try_from(values.clone()).ok().map(|[value]| value);
            let values = match name.as_str() {
                TRACEPARENT => vec![only().filter(|value| traceparent(value).is_some())?],
                TRACESTATE => vec![Some(values.join(",")).filter(|value| tracestate(value).is_some())?],
                BAGGAGE => vec![values.join(",")],
                B3 => vec![only().filter(|value| b3_single(value).is_some())?],
                B3_TRACE_ID => vec![only().filter(|value| b3_trace_id(value).is_some())?],
                B3_SPAN_ID | B3_PARENT_SPAN_ID => vec![only().filter(|value| span_id(value).is_some())?],
                B3_SAMPLED | B3_FLAGS => vec![only()?],
                _ => values,
            };
            (!values.is_empty()).then_some((name, values))
        };
        Self(names.into_iter().filter_map(screened).collect())
    }
}

impl Extractor for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name)?.first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn get_all(&self, name: &str) -> Option<Vec<&str>> {
        let (_, values) = self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(values.iter().map(String::as_str).collect())
    }
}

/// The most bytes that are read under one name, and the most baggage that is written.
const MAX_HEADER: usize = 8192;

/// A header that is not to be trusted: of a wrong form, too long, or there more often than it may be.
struct Malformed;

/// All values under `name`, if each is the text of a header, and all together are no longer than one may be.
fn headers(carrier: &dyn Extract, name: &str) -> Result<Vec<String>, Malformed> {
    let mut values = Ok(Vec::new());
    // Counted with the comma that joins two, so that no number of empty ones is too many to count.
    let mut length = 0;
    carrier.find(name, &mut |value| {
        if let Ok(read) = &mut values {
            length += value.len() + usize::from(!read.is_empty());
            match header_text(value) {
                Some(text) if length <= MAX_HEADER => read.push(text.to_owned()),
                _ => values = Err(Malformed),
            }
        }
    });
    values
}

/// The value under `name`, where there must not be two.
fn header(carrier: &dyn Extract, name: &str) -> Result<Option<String>, Malformed> {
    let mut values = headers(carrier, name)?;
    let value = values.pop();
    if values.is_empty() { Ok(value) } else { Err(Malformed) }
}

/// The value under `name`, all occurrences in one, as HTTP allows of a list.
fn list(carrier: &dyn Extract, name: &str) -> Option<String> {
    headers(carrier, name).ok().filter(|values| !values.is_empty()).map(|values| values.join(","))
}

const BLANKS: [char; 2] = [' ', '\t'];

/// `value` as text without blanks around it, if it is short enough and printable ASCII, which keeps line
/// breaks out of everything that is made of it.
fn header_text(value: &[u8]) -> Option<&str> {
    let printable = |&byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let sound = value.len() <= MAX_HEADER && value.iter().all(printable);
    sound.then(|| std::str::from_utf8(value).ok()).flatten().map(|text| text.trim_matches(BLANKS))
}

/// A character of what HTTP calls a token: the name of a header or a baggage member.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The number that exactly so many `digits` stand for. Only lower case is written, so only that is read; and
/// no sign, which `from_str_radix` by itself would take.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let sound = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    sound.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn trace_id(text: &str) -> Option<TraceId> {
    hex(text, 32).map(TraceId::from).filter(|&id| id != TraceId::INVALID)
}

fn span_id(text: &str) -> Option<SpanId> {
    let id = u64::try_from(hex(text, 16)?).ok()?;
    Some(SpanId::from(id)).filter(|&id| id != SpanId::INVALID)
}

// W3C trace context: https://www.w3.org/TR/trace-context/

fn trace_context(carrier: &dyn Extract) -> Option<SpanContext> {
    let (trace_id, span_id, flags) = traceparent(&header(carrier, TRACEPARENT).ok()??)?;
    let state = list(carrier, TRACESTATE).and_then(|text| tracestate(&text)).unwrap_or_default();
    Some(SpanContext::new(trace_id, span_id, flags, true, state))
}

fn traceparent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    /// The length of version 00, and of the part that all later versions begin with.
    const LENGTH: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();
    /// The one flag whose meaning is known; the others must not be passed on.
    const KNOWN: u128 = 1;

    let (first, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = first.split('-');
    let version = hex(parts.next()?, 2).filter(|&version| version != 0xff)?;
    let trace_id = trace_id(parts.next()?)?;
    let span_id = span_id(parts.next()?)?;
    let flags = hex(parts.next()?, 2)?;
    let ends = rest.is_empty() || version > 0 && rest.starts_with('-');
    let flags = if flags & KNOWN == KNOWN { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    ends.then_some((trace_id, span_id, flags))
}

fn tracestate(text: &str) -> Option<TraceState> {
    const MAX_LENGTH: usize = 512;
    const MAX_MEMBERS: usize = 32;

    if text.len() > MAX_LENGTH {
        return None;
    }
    let mut members: Vec<(&str, &str)> = Vec::new();
    for member in
        text.split(',').map(|member| member.trim_matches(BLANKS)).filter(|member| !member.is_empty())
    {
        let (key, value) = member.split_once('=')?;
        let sound = is_tracestate_key(key) && is_tracestate_value(value);
        if !sound || members.iter().any(|(other, _)| *other == key) {
            return None;
        }
        members.push((key, value));
    }
    if members.len() > MAX_MEMBERS {
        return None;
    }
    TraceState::from_key_value(members).ok()
}

fn is_tracestate_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.bytes().next().is_some_and(plain) && key.bytes().all(|byte| plain(byte) || b"_-*/@".contains(&byte))
}

fn is_tracestate_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

fn write_trace_context(cx: &Context, headers: &mut Written) {
    let span = cx.as_link();
    if !span.is_valid() {
        return;
    }
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    headers.put(TRACEPARENT, format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()));
    // `TraceState` itself lets a program put control characters in.
    let state = span.trace_state().header();
    if !state.is_empty() && tracestate(&state).is_some() {
        headers.put(TRACESTATE, state);
    }
}

// W3C baggage: https://www.w3.org/TR/baggage/

fn baggage(carrier: &dyn Extract) -> Option<Vec<KeyValueMetadata>> {
    /// More than any version of the specification has allowed.
    const MAX_MEMBERS: usize = 180;
    /// What `Baggage` has room for.
    const KEPT: usize = 64;

    let text = list(carrier, BAGGAGE)?;
    if text.split(',').count() > MAX_MEMBERS {
        return None;
    }
    let members: Vec<_> = text.split(',').filter_map(baggage_member).take(KEPT).collect();
    (!members.is_empty()).then_some(members)
}

fn baggage_member(text: &str) -> Option<KeyValueMetadata> {
    let (pair, properties) = text.split_once(';').unwrap_or((text, ""));
    let (name, value) = pair.split_once('=')?;
    let name = name.trim_matches(BLANKS);
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let value = percent_decoded(value.trim_matches(BLANKS))?;
    let properties: Vec<_> = baggage_properties(properties).collect();
    Some(KeyValueMetadata::new(name.to_owned(), value, properties.join(";")))
}

/// The properties of a member that can be written as they are. They are not decoded, since nothing would
/// encode them again: a `%0d%0a` in one stays these six characters.
fn baggage_properties(text: &str) -> impl Iterator<Item = &str> {
    let sound = |byte| matches!(byte, b' '..=b'~' | b'\t') && !matches!(byte, b'"' | b',' | b'\\');
    let properties = text.split(';').map(|property| property.trim_matches(BLANKS));
    properties.filter(move |text| !text.is_empty() && text.bytes().all(sound))
}

fn write_baggage(cx: &Context, headers: &mut Written) {
    let mut members: Vec<_> = cx.baggage().iter().collect();
    // `Baggage` has no order; a header should not change from one call to the next.
    members.sort_unstable_by_key(|(name, _)| name.as_str());
    let mut header = String::new();
    for (name, (value, properties)) in members {
        let mut member = format!("{name}={}", percent_encoded(value.as_str()));
        for property in baggage_properties(properties.as_str()) {
            member.push(';');
            member.push_str(property);
        }
        let comma = if header.is_empty() { "" } else { "," };
        // Encoding may have made it longer than it came; a member is left out whole.
        if header.len() + comma.len() + member.len() <= MAX_HEADER {
            header.push_str(comma);
            header.push_str(&member);
        }
    }
    if !header.is_empty() {
        headers.put(BAGGAGE, header);
    }
}

/// Encodes what must be, and the `%`, `+` and `=` that some receivers would read as something else.
fn percent_encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"%+,;=\\".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

/// Decodes what is encoded; a `%` without two digits after it is itself. `None` if it is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |index: usize| char::from(*after.get(index)?).to_digit(16);
        let code = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        match code {
            Some(code) if byte == b'%' => {
                decoded.push(code);
                rest = &after[2..];
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

// B3: https://github.com/openzipkin/b3-propagation

/// Marks a parent that a debugger wants traced through all services. W3C has no such flag, so it is kept
/// where the propagators of OpenTelemetry keep it.
const DEBUG: TraceFlags = TraceFlags::new(0x04);

/// What B3 says.
#[derive(Clone, Copy)]
struct Caller {
    trace_id: TraceId,
    span_id: SpanId,
    sampling: Sampling,
}

#[derive(Clone, Copy)]
enum Sampling {
    Deferred,
    Denied,
    Accepted,
    Debug,
}

/// The span whose caller left the decision on sampling to us. Kept beside the span context, since a flag in
/// it would be inherited by spans that have decided.
struct Deferred(SpanId);

/// Whether the span of `cx` is a remote one that left the decision on sampling to us.
pub(crate) fn is_deferred(cx: &Context) -> bool {
    cx.get::<Deferred>().is_some_and(|deferred| deferred.0 == cx.span().span_context().span_id())
}

impl Caller {
    fn over(self, cx: &Context) -> Context {
        let flags = match self.sampling {
            Sampling::Deferred | Sampling::Denied => TraceFlags::NOT_SAMPLED,
            Sampling::Accepted => TraceFlags::SAMPLED,
            // Debug implies sampled.
            Sampling::Debug => DEBUG | TraceFlags::SAMPLED,
        };
        let span = SpanContext::new(self.trace_id, self.span_id, flags, true, TraceState::NONE);
        let cx = cx.with_remote_span_context(span);
        if matches!(self.sampling, Sampling::Deferred) { cx.with_value(Deferred(self.span_id)) } else { cx }
    }

    /// The span of `cx`, if it has one.
    fn of(cx: &Context) -> Option<Self> {
        let span = cx.as_link();
        let sampling = if is_deferred(cx) {
            Sampling::Deferred
        } else if span.trace_flags() & DEBUG == DEBUG {
            Sampling::Debug
        } else if span.is_sampled() {
            Sampling::Accepted
        } else {
            Sampling::Denied
        };
        let caller = Self { trace_id: span.trace_id(), span_id: span.span_id(), sampling };
        span.is_valid().then_some(caller)
    }
}

/// The single form before the multiple, as its specification says.
fn b3(carrier: &dyn Extract) -> Option<Caller> {
    let single = header(carrier, B3).ok().flatten();
    single.and_then(|text| b3_single(&text)).or_else(|| b3_multi(carrier).ok().flatten())
}

fn b3_trace_id(text: &str) -> Option<TraceId> {
    // Of 64 bits, in older systems.
    trace_id(text).or_else(|| hex(text, 16).map(TraceId::from).filter(|&id| id != TraceId::INVALID))
}

fn b3_single(text: &str) -> Option<Caller> {
    let mut parts = text.split('-');
    let trace_id = b3_trace_id(parts.next()?)?;
    let span_id = self::span_id(parts.next()?)?;
    let sampling = match parts.next() {
        None => Sampling::Deferred,
        Some("0") => Sampling::Denied,
        Some("1") => Sampling::Accepted,
        Some("d") => Sampling::Debug,
        Some(_) => return None,
    };
    // The caller's own parent: of no use here, but it must be one.
    let sound = parts.next().is_none_or(|parent| self::span_id(parent).is_some()) && parts.next().is_none();
    sound.then_some(Caller { trace_id, span_id, sampling })
}

fn b3_multi(carrier: &dyn Extract) -> Result<Option<Caller>, Malformed> {
    let trace_id = header(carrier, B3_TRACE_ID)?.and_then(|text| b3_trace_id(&text));
    let span_id = header(carrier, B3_SPAN_ID)?.and_then(|text| span_id(&text));
    let sampling = match (header(carrier, B3_FLAGS)?.as_deref(), header(carrier, B3_SAMPLED)?.as_deref()) {
        (Some("1"), _) => Sampling::Debug,
        (_, None) => Sampling::Deferred,
        (_, Some("0" | "false")) => Sampling::Denied,
        (_, Some("1" | "true")) => Sampling::Accepted,
        (_, Some(_)) => return Err(Malformed),
    };
    Ok(trace_id.zip(span_id).map(|(trace_id, span_id)| Caller { trace_id, span_id, sampling }))
}

fn write_b3_single(cx: &Context, headers: &mut Written) {
    let Some(Caller { trace_id, span_id, sampling }) = Caller::of(cx) else {
        return;
    };
    let sampling = match sampling {
        Sampling::Deferred => "",
        Sampling::Denied => "-0",
        Sampling::Accepted => "-1",
        Sampling::Debug => "-d",
    };
    headers.put(B3, format!("{trace_id}-{span_id}{sampling}"));
}

fn write_b3_multi(cx: &Context, headers: &mut Written) {
    let Some(Caller { trace_id, span_id, sampling }) = Caller::of(cx) else {
        return;
    };
    headers.put(B3_TRACE_ID, trace_id.to_string());
    headers.put(B3_SPAN_ID, span_id.to_string());
    let (name, value) = match sampling {
        Sampling::Deferred => return,
        Sampling::Denied => (B3_SAMPLED, "0"),
        Sampling::Accepted => (B3_SAMPLED, "1"),
        Sampling::Debug => (B3_FLAGS, "1"),
    };
    headers.put(name, value);
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
    use proptest::prelude::*;

    use super::*;

    // The configured propagators belong to the whole process: only one test touches them, and leaves in place
    // what the others, of whatever module, expect.

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";
    const W3C: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    type Pairs = Vec<(String, String)>;

    fn read(carrier: impl Extract) -> Parent {
        Parent(Propagators::default().read(&Context::new(), &carrier))
    }

    fn write(list: Vec<Propagator>, cx: &Context) -> Pairs {
        let mut pairs = Pairs::new();
        Propagators::new(list).write(cx, &mut pairs);
        pairs
    }

    fn all() -> Vec<Propagator> {
        vec![Propagator::TraceContext, Propagator::Baggage, Propagator::B3Single, Propagator::B3Multi]
    }

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn baggage_of(parent: &Parent) -> Pairs {
        let baggage = parent.context().baggage().iter();
        let mut members: Pairs = baggage
            .map(|(name, (value, properties))| (name.to_string(), format!("{value};{properties}")))
            .collect();
        members.sort();
        members
    }

    /// `trace-span-flags`, or nothing.
    fn text(parent: &Parent) -> String {
        let span = parent.span_context();
        if !span.is_valid() {
            assert_eq!(span, SpanContext::NONE);
            return String::new();
        }
        assert!(span.is_remote());
        format!("{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags())
    }

    #[test]
    fn a_traceparent_is_what_w3c_says_or_nothing() {
        let sound = format!("{TRACE}-{SPAN}-01");
        let unsampled = format!("{TRACE}-{SPAN}-00");
        for (value, expected) in [
            (W3C.to_owned(), &sound),
            (format!(" \t{W3C} "), &sound),
            (format!("00-{TRACE}-{SPAN}-00"), &unsampled),
            (format!("00-{TRACE}-{SPAN}-02"), &unsampled),
            (format!("00-{TRACE}-{SPAN}-ff"), &sound),
            (format!("01-{TRACE}-{SPAN}-01"), &sound),
            (format!("fe-{TRACE}-{SPAN}-01-what-the-future-brings"), &sound),
            (format!("cc-{TRACE}-{SPAN}-01-"), &sound),
        ] {
            assert_eq!(&text(&read([(TRACEPARENT, &value)])), expected, "{value:?}");
        }
        for value in [
            String::new(),
            "-".into(),
            "---".into(),
            "00".into(),
            "🦀".into(),
            "é".repeat(28),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0100"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("0-{TRACE}-{SPAN}-011"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("0A-{TRACE}-{SPAN}-01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-+{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("+0-{TRACE}-{SPAN}-01"),
            format!("00-{}g-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}-01\r\nx: y"),
            format!("00-{TRACE}-{SPAN}-01\0"),
            format!("{W3C},{W3C}"),
            format!("01-{TRACE}-{SPAN}-01-{}", "a".repeat(8192)),
        ] {
            assert_eq!(text(&read([(TRACEPARENT, &value)])), "", "{value:?}");
        }
    }

    #[test]
    fn a_tracestate_is_what_w3c_says_or_dropped_with_the_parent_kept() {
        let most: Vec<_> = (0..32).map(|n| format!("k{n}=v")).collect();
        let longest = format!("a={},b={}", "x".repeat(256), "y".repeat(251));
        assert_eq!(longest.len(), 512);
        for (value, expected) in [
            ("", ""),
            ("a=1", "a=1"),
            (" a=1 ,\tb=2 ,, ", "a=1,b=2"),
            ("a= 1 2", "a= 1 2"),
            ("0/_-*@a=~!", "0/_-*@a=~!"),
            ("tenant@system=1", "tenant@system=1"),
            (&most.join(","), &most.join(",")),
            (&longest, &longest),
            // From here on: dropped.
            ("a", ""),
            ("=", ""),
            ("=1", ""),
            ("a=", ""),
            ("a=1=2", ""),
            ("a==2", ""),
            ("a =1", ""),
            ("A=1", ""),
            ("_a=1", ""),
            ("a=1,a=2", ""),
            ("a=1,b", ""),
            ("a=1\tb=2", ""),
            ("a=é", ""),
            ("a=1\r\nx: y", ""),
            ("a=\u{1}", ""),
            ("a=\u{7f}", ""),
            (&format!("{},one=more", most.join(",")), ""),
            (&format!("a={}", "x".repeat(257)), ""),
            (&format!("{}=x", "a".repeat(257)), ""),
            (&format!("{longest}z"), ""),
        ] {
            let parent = read([(TRACEPARENT, W3C), (TRACESTATE, value)]);
            assert!(parent.is_valid(), "{value:?}");
            assert_eq!(parent.span_context().trace_state().header(), expected, "{value:?}");
        }
    }

    #[test]
    fn baggage_is_read_member_by_member() {
        for (value, expected) in [
            ("a=1", vec![("a", "1;")]),
            (" a = 1 , b=2\t", vec![("a", "1;"), ("b", "2;")]),
            ("a=1;p;q = 2 ; r=%0d%0a", vec![("a", "1;p;q = 2;r=%0d%0a")]),
            ("a=b=c", vec![("a", "b=c;")]),
            ("a=%41%2C%20%F0%9F%A6%80%2", vec![("a", "A, 🦀%2;")]),
            ("a=%2541%zz%", vec![("a", "%41%zz%;")]),
            ("a=", vec![("a", ";")]),
            ("a=1,a=2", vec![("a", "2;")]),
            ("a=b c\"\\", vec![("a", "b c\"\\;")]),
            ("a=1;p=\"q\";r", vec![("a", "1;r")]),
            ("a=1,b,=2,c d=3,(=4,é", vec![]),
            ("a=1,b,=2,c d=3,(=4,;p=5", vec![("a", "1;")]),
            ("a=%ff,b=1", vec![("b", "1;")]),
            ("a=1\r\nx: y", vec![]),
            ("a=1\0", vec![]),
            ("", vec![]),
            (",;=,", vec![]),
        ] {
            assert_eq!(baggage_of(&read([(BAGGAGE, value)])), pairs(&expected), "{value:?}");
        }
    }

    #[test]
    fn baggage_has_limits() {
        let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let value = |length: usize| format!("a={}", "x".repeat(length - 2));
        for (header, expected) in [
            (members(64), 64),
            (members(65), 64),
            (members(180), 64),
            (members(181), 0),
            (value(8192), 1),
            (value(8193), 0),
            (",".repeat(8192), 0),
        ] {
            let parent = read([(BAGGAGE, &header)]);
            assert_eq!(parent.context().baggage().len(), expected, "{} bytes", header.len());
        }
    }

    #[test]
    fn b3_is_read_in_both_forms() {
        let long = |flags: &str| format!("{TRACE}-{SPAN}-{flags}");
        let short = format!("{SPAN:0>32}-{SPAN}-01");
        for (value, expected) in [
            (format!("{TRACE}-{SPAN}-1"), long("01")),
            (format!("{TRACE}-{SPAN}-0"), long("00")),
            (format!("{TRACE}-{SPAN}-d"), long("05")),
            (format!("{TRACE}-{SPAN}"), long("00")),
            (format!("{TRACE}-{SPAN}-1-{SPAN}"), long("01")),
            (format!("{SPAN}-{SPAN}-1"), short.clone()),
            ("0".into(), String::new()),
            ("1".into(), String::new()),
            ("d".into(), String::new()),
            (String::new(), String::new()),
            ("-".into(), String::new()),
            (TRACE.into(), String::new()),
            (format!("{TRACE}-{SPAN}-"), String::new()),
            (format!("{TRACE}-{SPAN}-2"), String::new()),
            (format!("{TRACE}-{SPAN}-true"), String::new()),
            (format!("{TRACE}-{SPAN}-1-"), String::new()),
            (format!("{TRACE}-{SPAN}-1-{SPAN}-"), String::new()),
            (format!("{TRACE}-{SPAN}-1-{TRACE}"), String::new()),
            (format!("{}-{SPAN}-1", "0".repeat(32)), String::new()),
            (format!("{TRACE}-{}-1", "0".repeat(16)), String::new()),
            (format!("{}-{SPAN}-1", TRACE.to_uppercase()), String::new()),
            (format!("+{}-{SPAN}-1", &TRACE[1..]), String::new()),
            (format!("{}-{SPAN}-1", &TRACE[1..]), String::new()),
            (format!("{TRACE}-{SPAN}-1\r\n"), String::new()),
        ] {
            assert_eq!(text(&read([(B3, &value)])), expected, "{value:?}");
        }
        for (headers, expected) in [
            (vec![(B3_SAMPLED, "1")], long("01")),
            (vec![(B3_SAMPLED, "true")], long("01")),
            (vec![(B3_SAMPLED, "0")], long("00")),
            (vec![(B3_SAMPLED, "false")], long("00")),
            (vec![(B3_FLAGS, "1")], long("05")),
            (vec![(B3_FLAGS, "1"), (B3_SAMPLED, "0")], long("05")),
            (vec![(B3_FLAGS, "0"), (B3_SAMPLED, "1")], long("01")),
            (vec![(B3_PARENT_SPAN_ID, "nonsense")], long("00")),
            (vec![(B3, "0")], long("00")),
            (vec![(B3_SAMPLED, "d")], String::new()),
            (vec![(B3_SAMPLED, "")], String::new()),
            (vec![(B3_SAMPLED, "1"), (B3_SAMPLED, "1")], String::new()),
            (vec![(B3_TRACE_ID, TRACE)], String::new()),
        ] {
            let ids = [("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN)];
            let headers: Vec<_> = ids.into_iter().chain(headers).collect();
            assert_eq!(text(&read(&headers)), expected, "{headers:?}");
        }
        assert_eq!(text(&read([(B3_SAMPLED, "1")])), "");
        assert_eq!(text(&read([(B3_TRACE_ID, SPAN), (B3_SPAN_ID, SPAN), (B3_SAMPLED, "1")])), short);
    }

    #[test]
    fn a_decision_that_b3_defers_is_ours_until_a_span_has_made_it() {
        let parent = read([(B3, format!("{TRACE}-{SPAN}"))]);
        assert!(parent.is_deferred());
        assert!(!read([(B3, format!("{TRACE}-{SPAN}-0"))]).is_deferred());
        assert!(!Parent::none().is_deferred());
        // Passed on without a span of ours, it stays open.
        assert_eq!(
            write(vec![Propagator::B3Single], parent.context()),
            pairs(&[(B3, &format!("{TRACE}-{SPAN}"))])
        );

        let child = SpanContext::new(
            TraceId::from_hex(TRACE).unwrap(),
            SpanId::from(1),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        let inside = parent.context().with_remote_span_context(child);
        assert!(!is_deferred(&inside));
        let expected = format!("{TRACE}-0000000000000001-1");
        assert_eq!(write(vec![Propagator::B3Single], &inside), pairs(&[(B3, &expected)]));
    }

    #[test]
    fn a_repeated_header_is_malformed_unless_it_is_a_list() {
        let other = W3C.replace('a', "b");
        let headers = [("traceparent", W3C), ("TraceParent", &other)];
        assert_eq!(text(&read(headers)), "", "two spellings of one name are one name");
        assert_eq!(text(&read(HashMap::from(headers))), "");
        assert_eq!(text(&read([(TRACEPARENT, W3C), (TRACEPARENT, W3C)])), "");
        assert_eq!(text(&read([(TRACEPARENT, W3C), (TRACEPARENT, "\u{1}")])), "");

        let parent = read([
            (TRACESTATE, "a=1"),
            (TRACEPARENT, W3C),
            (BAGGAGE, "k=v"),
            ("Tracestate", ""),
            (TRACESTATE, "b=2"),
            (BAGGAGE, "l=w"),
        ]);
        assert_eq!(parent.span_context().trace_state().header(), "a=1,b=2");
        assert_eq!(baggage_of(&parent), pairs(&[("k", "v;"), ("l", "w;")]));

        let flood = vec![(BAGGAGE, ""); 10_000];
        assert_eq!(baggage_of(&read(flood)), []);
    }

    #[test]
    fn the_first_format_that_finds_a_parent_decides() {
        let b3 = format!("{TRACE}-{SPAN}-0");
        assert_eq!(text(&read([(B3, b3.as_str()), (TRACEPARENT, W3C)])), format!("{TRACE}-{SPAN}-01"));
        assert_eq!(text(&read([(B3, b3.as_str()), (TRACEPARENT, "?")])), format!("{TRACE}-{SPAN}-00"));
        let b3_first = Propagators::new(vec![Propagator::B3Multi, Propagator::TraceContext]);
        let cx = b3_first.read(&Context::new(), &[(B3, b3.as_str()), (TRACEPARENT, W3C)]);
        assert!(!cx.as_link().is_sampled());
        let nobody = Propagators::new(Vec::new());
        assert!(!nobody.read(&Context::new(), &[(TRACEPARENT, W3C)]).has_active_span());
    }

    #[test]
    fn every_format_writes_what_it_reads() {
        let headers = [(TRACEPARENT, W3C), (TRACESTATE, "a=1"), (BAGGAGE, "b=2,a=1;p")];
        assert_eq!(
            write(all(), read(headers).context()),
            pairs(&[
                (TRACEPARENT, W3C),
                (TRACESTATE, "a=1"),
                (BAGGAGE, "a=1;p,b=2"),
                (B3, &format!("{TRACE}-{SPAN}-1")),
                (B3_TRACE_ID, TRACE),
                (B3_SPAN_ID, SPAN),
                (B3_SAMPLED, "1"),
            ])
        );
        for state in ["-0", "-1", "-d", ""] {
            let cx = read([(B3, format!("{TRACE}-{SPAN}{state}"))]).0;
            let single = write(vec![Propagator::B3Single], &cx);
            assert_eq!(single, pairs(&[(B3, &format!("{TRACE}-{SPAN}{state}"))]));
            let multi = read(write(vec![Propagator::B3Multi], &cx));
            assert_eq!((multi.span_context(), multi.is_deferred()), (cx.as_link(), is_deferred(&cx)));
        }
    }

    #[test]
    fn every_carrier_is_read_in_any_case_and_written_without_duplicates() {
        fn check<C: Inject + Extract>(mut carrier: C, entries: impl Fn(&C) -> usize) {
            let cx = read([(TRACEPARENT, W3C), (BAGGAGE, "a=1")]).0;
            let before = entries(&carrier);
            assert!(read(&carrier).span_context().trace_state().get("stale").is_some());
            Propagators::default().write(&cx, &mut carrier);
            assert_eq!(read(&carrier).span_context(), cx.as_link(), "the stale `tracestate` is gone");
            // One `tracestate` less, one `baggage` more.
            assert_eq!(entries(&carrier), before);
            Propagators::default().write(&Context::new(), &mut carrier);
            assert_eq!(read(&carrier).span_context(), cx.as_link(), "no span leaves a carrier alone");
        }

        let stale = || {
            [("Other", "1"), ("TraceParent", &W3C.replace('a', "b")), ("TRACESTATE", "stale=1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        check(stale().to_vec(), Vec::len);
        check(HashMap::from(stale()), HashMap::len);
        check(BTreeMap::from(stale()), BTreeMap::len);
        check(&mut stale().to_vec(), |carrier| carrier.len());
        #[cfg(feature = "http")]
        check(http::HeaderMap::try_from(&HashMap::from(stale())).unwrap(), http::HeaderMap::len);
    }

    #[test]
    fn everything_that_holds_pairs_of_strings_is_read() {
        let expected = text(&read([(TRACEPARENT, W3C)]));
        let pair = (TRACEPARENT, W3C);
        let dynamic: &dyn Extract = &[pair];
        assert_eq!(text(&read(HashMap::from([pair]))), expected);
        assert_eq!(
            text(&read(BTreeMap::from([(Cow::Borrowed(TRACEPARENT), Box::<str>::from(W3C))]))),
            expected
        );
        assert_eq!(text(&read(vec![(String::from(TRACEPARENT), Arc::<str>::from(W3C))])), expected);
        assert_eq!(text(&read(&[pair][..])), expected);
        let mut array = [pair];
        let exclusive = &mut array;
        assert_eq!(text(&read(exclusive)), expected);
        assert_eq!(text(&read(Arc::new(Box::new([pair])))), expected);
        assert_eq!(text(&extract(dynamic)), expected);
        assert_eq!(text(&extract(&[pair][..])), expected);
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_header_map_with_a_header_twice_or_not_in_ascii_starts_a_trace() {
        let mut headers = http::HeaderMap::new();
        headers.append(TRACEPARENT, W3C.parse().unwrap());
        assert!(read(&headers).is_valid());
        let mut twice = headers.clone();
        twice.append(TRACEPARENT, http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(!read(&twice).is_valid());
        headers.append(TRACESTATE, http::HeaderValue::from_bytes(b"a=\xff").unwrap());
        assert_eq!(read(&headers).span_context().trace_state(), &TraceState::NONE);
    }

    #[test]
    fn a_command_gets_its_environment() {
        let cx = read([(TRACEPARENT, W3C), (BAGGAGE, "a=1")]).0;
        let mut command = Command::new("true");
        command.env("TRACESTATE", "stale=1");
        Propagators::new(all()).write(&cx, &mut command);
        let variables: Vec<_> = command
            .get_envs()
            .map(|(name, value)| format!("{}={}", name.display(), value.unwrap_or_default().display()))
            .collect();
        assert_eq!(
            variables,
            [
                format!("B3={TRACE}-{SPAN}-1"),
                "BAGGAGE=a=1".into(),
                format!("TRACEPARENT={W3C}"),
                "TRACESTATE=".into(),
                "X_B3_FLAGS=".into(),
                "X_B3_PARENTSPANID=".into(),
                "X_B3_SAMPLED=1".into(),
                format!("X_B3_SPANID={SPAN}"),
                format!("X_B3_TRACEID={TRACE}"),
            ]
        );
    }

    /// The environment of a process is what it was started with: `set_var` is unsafe. So this test starts
    /// itself, and the second process answers through its exit code.
    #[test]
    fn the_environment_continues_the_trace_of_the_process_that_started_this_one() {
        const ROLE: &str = "TRACED_TEST_EXPECTS";
        if let Ok(expected) = env::var(ROLE) {
            assert_eq!(text(&read(Environment)), expected);
            let mut names = Vec::new();
            Environment.names(&mut |name| names.push(name.to_owned()));
            assert!(names.contains(&"traced-test-expects".to_owned()));
            return;
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let name =
            format!("{module}::the_environment_continues_the_trace_of_the_process_that_started_this_one");
        let again = |expected: &str, fill: &dyn Fn(&mut Command)| {
            let mut command = Command::new(env::current_exe().unwrap());
            command.args(["--exact", &name, "--nocapture"]).env(ROLE, expected);
            for name in KNOWN {
                command.unset(name);
            }
            fill(&mut command);
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        };
        let cx = read([(TRACEPARENT, W3C)]).0;
        let sound = format!("{TRACE}-{SPAN}-01");
        again(&sound, &|command| Propagators::default().write(&cx, command));
        again(&sound, &|command| Propagators::new(vec![Propagator::B3Multi]).write(&cx, command));
        again("", &|_| {});
        again("", &|command| {
            command.env("TRACEPARENT", "nonsense");
        });
        #[cfg(unix)]
        again("", &|command| {
            use std::os::unix::ffi::OsStringExt;
            command.env("TRACEPARENT", std::ffi::OsString::from_vec(vec![0xff; 55]));
        });
    }

    #[test]
    fn carriers_of_opentelemetry_are_read_and_written() {
        let mut map = HashMap::new();
        let cx = read([(TRACEPARENT, W3C), (TRACESTATE, "a=1")]).0;
        let injector: &mut dyn Injector = &mut map;
        Propagators::default().write(&cx, &mut Carrier(injector));
        let extractor: &dyn Extractor = &map;
        assert_eq!(read(Carrier(extractor)).span_context(), cx.as_link());

        // And the other way about, for `opentelemetry::global`.
        let propagator: &dyn TextMapPropagator = &Propagators::default();
        assert_eq!(propagator.extract(&map).as_link(), cx.as_link());
        let mut again = HashMap::new();
        propagator.inject_context(&cx, &mut again);
        assert_eq!(again, map);
        assert_eq!(propagator.fields().collect::<Vec<_>>(), [TRACEPARENT, TRACESTATE, BAGGAGE]);
        let mut nothing = HashMap::new();
        nothing.insert(TRACEPARENT.to_owned(), "nonsense".to_owned());
        assert_eq!(propagator.extract_with_context(&cx, &nothing).as_link(), cx.as_link());
    }

    /// A propagator that does whatever it is told.
    #[derive(Debug)]
    struct Odd(fn(&mut dyn Injector), fn(&Context, &dyn Extractor) -> Context);

    impl TextMapPropagator for Odd {
        fn inject_context(&self, _: &Context, injector: &mut dyn Injector) {
            (self.0)(injector);
        }

        fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
            (self.1)(cx, extractor)
        }

        fn fields(&self) -> FieldIter<'_> {
            FieldIter::new(&[])
        }
    }

    #[test]
    fn what_a_propagator_of_the_users_writes_is_checked() {
        let odd = Odd(
            |injector| {
                injector.set("X-Sound", "1".into());
                injector.set("x-sound", "2".into());
                injector.set("x-line", "1\r\nx: y".into());
                injector.set("x-line: y\r\nx", "1".into());
                injector.set("x-crab", "🦀".into());
                injector.set("x-long", "a".repeat(MAX_HEADER + 1));
                injector.set("x-empty", String::new());
                injector.set("", "1".into());
                injector.set(TRACEPARENT, "nonsense".into());
                injector.set(TRACESTATE, "A=1".into());
                injector.set(B3, "0".into());
                injector.set(B3_SAMPLED, "0".into());
            },
            |cx, _| cx.clone(),
        );
        assert_eq!(write(vec![odd.into()], &Context::new()), pairs(&[("x-sound", "2")]));
    }

    #[test]
    fn what_a_propagator_of_the_users_reads_is_screened() {
        let odd = Odd(
            |_| {},
            |cx, extractor| {
                let mut seen: Vec<_> = extractor.keys();
                seen.sort_unstable();
                let seen = seen.into_iter().map(|name| {
                    let values = extractor.get_all(name).unwrap_or_default();
                    format!("{name}={}", values.join("|"))
                });
                cx.with_value(seen.collect::<Vec<_>>())
            },
        );
        let propagators = Propagators::new(vec![odd.into()]);
        let headers = [
            ("X-Any", "1"),
            ("x-any", "2"),
            ("x-line", "1\r\nx: y"),
            (TRACEPARENT, "nonsense"),
            (TRACESTATE, "a=1"),
            (TRACESTATE, "b=2"),
            (BAGGAGE, "k=v"),
            (B3, "0"),
            (B3_TRACE_ID, TRACE),
            (B3_SPAN_ID, "+7ad6b7169203331"),
            (B3_SAMPLED, "1"),
        ];
        let cx = propagators.read(&Context::new(), &headers);
        let expected = ["baggage=k=v", "tracestate=a=1,b=2", "x-any=1|2", "x-b3-sampled=1"];
        let trace_id = format!("x-b3-traceid={TRACE}");
        let expected: Vec<_> = expected.into_iter().chain([trace_id.as_str()]).collect();
        assert_eq!(cx.get::<Vec<String>>().unwrap(), &expected);
    }

    #[test]
    fn a_propagator_of_the_users_that_panics_reads_and_writes_nothing() {
        let odd = || Odd(|_| panic!("no"), |_, _| panic!("no"));
        let propagators = Propagators::new(vec![odd().into(), Propagator::TraceContext]);
        let cx = propagators.read(&Context::new(), &[(TRACEPARENT, W3C)]);
        assert!(cx.as_link().is_valid());
        let mut written = Pairs::new();
        propagators.write(&cx, &mut written);
        assert_eq!(written, pairs(&[(TRACEPARENT, W3C)]));
    }

    #[test]
    fn a_propagator_of_the_users_does_not_take_the_parent_from_an_earlier_one() {
        let other = || {
            Odd(
                |_| {},
                |cx, _| {
                    let span = SpanContext::new(
                        TraceId::from(1),
                        SpanId::from(1),
                        TraceFlags::SAMPLED,
                        true,
                        TraceState::NONE,
                    );
                    cx.with_remote_span_context(span).with_value("seen")
                },
            )
        };
        let last = Propagators::new(vec![Propagator::TraceContext, other().into()]);
        let cx = last.read(&Context::new(), &[(TRACEPARENT, W3C)]);
        assert_eq!((cx.as_link().span_id().to_string().as_str(), cx.get::<&str>()), (SPAN, Some(&"seen")));
        let first = Propagators::new(vec![other().into(), Propagator::TraceContext]);
        let cx = first.read(&Context::new(), &[(TRACEPARENT, W3C)]);
        assert_eq!(cx.as_link().span_id(), SpanId::from(1));
    }

    #[test]
    fn opentelemetrys_own_propagators_are_as_safe_as_ours() {
        let propagators =
            || Propagators::new(vec![TraceContextPropagator::new().into(), BaggagePropagator::new().into()]);
        let cx = propagators().read(&Context::new(), &[(TRACEPARENT, W3C), (BAGGAGE, "a=1")]);
        let mut written = pairs(&[(TRACESTATE, "stale=1")]);
        propagators().write(&cx, &mut written);
        assert_eq!(written, pairs(&[(TRACEPARENT, W3C), (BAGGAGE, "a=1")]));
        // By themselves, they would take the first and write the line break of the second.
        let hostile = [(TRACEPARENT, "0-1-1-1"), (BAGGAGE, "a=1;p=%0d%0ax: y")];
        let cx = propagators().read(&Context::new(), &hostile);
        assert!(!cx.as_link().is_valid());
        let mut written = Pairs::new();
        propagators().write(&cx, &mut written);
        assert_eq!(written, []);
    }

    #[test]
    fn what_the_program_itself_put_into_a_context_cannot_break_out_of_a_header() {
        let state = TraceState::from_key_value([("a", "1\r\nx: y")]).unwrap();
        let span = SpanContext::new(TraceId::from(1), SpanId::from(1), TraceFlags::SAMPLED, false, state);
        let cx = Context::new().with_remote_span_context(span).with_baggage([
            KeyValueMetadata::new("a", "1\r\nx: y", "p;q\r\nx: y;r,admin=1;é;s"),
            KeyValueMetadata::new("b", "🦀+%=", ""),
        ]);
        assert_eq!(
            write(vec![Propagator::TraceContext, Propagator::Baggage], &cx),
            pairs(&[
                (TRACEPARENT, &format!("00-{:032x}-{:016x}-01", 1, 1)),
                (BAGGAGE, "a=1%0D%0Ax:%20y;p;s,b=%F0%9F%A6%80%2B%25%3D"),
            ])
        );
    }

    #[test]
    fn baggage_that_would_be_too_long_is_written_as_far_as_it_goes() {
        let cx = Context::new().with_baggage([
            KeyValue::new("a", "\"".repeat(2731)),
            KeyValue::new("b", "1"),
            KeyValue::new("c", "\"".repeat(2000)),
        ]);
        assert_eq!(write(vec![Propagator::Baggage], &cx)[0].1.len(), "b=1,c=".len() + 6000);
    }

    #[test]
    fn the_set_up_decides_which_propagators_there_are() {
        let marks = Odd(
            |_| {},
            |cx, extractor| match extractor.get("x-traced-test") {
                Some(_) => cx.with_value("seen"),
                None => cx.clone(),
            },
        );
        let writing = vec![Propagator::TraceContext, Propagator::Baggage];
        replace(Propagators::both(writing, vec![Propagator::B3Single, marks.into()]));
        let parent = extract(&[("x-traced-test", "1")]);
        configure(None);
        assert_eq!(parent.context().get::<&str>(), Some(&"seen"));
    }

    #[test]
    fn propagators_have_the_names_of_the_environment() {
        for (name, expected) in [
            ("tracecontext", "TraceContext"),
            ("baggage", "Baggage"),
            ("b3", "B3Single"),
            ("b3multi", "B3Multi"),
        ] {
            assert_eq!(format!("{:?}", Propagator::from_str(name).unwrap()), expected);
        }
        assert_eq!(
            Propagator::from_str("jaeger").unwrap_err().to_string(),
            "unknown propagator `jaeger`; expected one of `tracecontext`, `baggage`, `b3`, `b3multi`"
        );
    }

    #[test]
    fn a_parent_is_made_of_all_that_has_a_span() {
        let span = read([(TRACEPARENT, W3C)]).span_context();
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

    /// A header, most often nearly as it should be.
    fn any_header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
        let sound = prop_oneof![
            (Just(TRACEPARENT), Just(W3C.to_owned())),
            (Just(TRACEPARENT), "0[01]-[a-f0-9]{32}-[a-f0-9]{16}-0[0-3](-[a-z]{0,3})?"),
            (Just(TRACESTATE), "([a-z][a-z0-9@_]{0,3}=[!-+--<>-~]{1,6},?){1,9}"),
            (
                Just(BAGGAGE),
                "([a-zA-Z!(]{1,3} ?= ?[ -~]{0,9}(%[0-9a-fA-F]{1,2}){0,3}(;[ -~]{0,5}){0,2},?){0,9}"
            ),
            (Just(B3), "[a-f0-9]{32}-[a-f0-9]{16}(-[01d])?"),
            (Just(B3_TRACE_ID), "[a-f0-9]{16}([a-f0-9]{16})?"),
            (Just(B3_SPAN_ID), "[a-f0-9]{16}"),
            (Just(B3_SAMPLED), "[01d]|true|false"),
            (Just(B3_FLAGS), "[01]"),
        ];
        let changes = proptest::collection::vec((any::<usize>(), any::<u8>()), 0..2);
        let nearly = (sound, changes).prop_map(|((name, text), changes)| {
            let mut bytes = text.into_bytes();
            for (index, byte) in changes {
                let length = bytes.len().max(1);
                if let Some(place) = bytes.get_mut(index % length) {
                    *place = byte;
                }
            }
            (name, bytes)
        });
        let random = proptest::collection::vec(any::<u8>(), 0..80);
        prop_oneof![3 => nearly, 1 => (proptest::sample::select(KNOWN.to_vec()), random)]
    }

    /// A carrier of bytes.
    #[derive(Debug)]
    struct Raw(Vec<(&'static str, Vec<u8>)>);

    impl Extract for Raw {
        fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(key, _)| *key == name).for_each(|(_, value)| found(value));
        }
    }

    proptest! {
        #[test]
        fn only_sound_headers_go_out_and_mean_what_came_in(headers in proptest::collection::vec(any_header(), 0..9)) {
            let parent = read(Raw(headers));
            let written = write(all(), parent.context());
            for (name, value) in &written {
                prop_assert!(name.bytes().all(is_token));
                prop_assert!(value.len() <= MAX_HEADER && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
            let again = read(&written);
            prop_assert_eq!(baggage_of(&parent), baggage_of(&again));
            let (span, copy) = (parent.span_context(), again.span_context());
            prop_assert_eq!(span.trace_state(), copy.trace_state());
            prop_assert_eq!((span.trace_id(), span.span_id()), (copy.trace_id(), copy.span_id()));
            // Not the flags as a whole: W3C, which is read first here, has none for B3's debug.
            prop_assert_eq!(span.is_sampled(), copy.is_sampled());
        }

        #[test]
        fn any_baggage_comes_back_as_it_went(members in proptest::collection::vec(("[a-z]{1,8}", any::<String>()), 0..9)) {
            let members = members.into_iter().map(|(name, value)| KeyValue::new(name, value));
            let cx = Context::new().with_baggage(members.collect::<Vec<_>>());
            prop_assert_eq!(baggage_of(&read(write(all(), &cx))), baggage_of(&Parent(cx)));
        }
    }
}

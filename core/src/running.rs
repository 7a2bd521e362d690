//! What a call does while something is set up, and who makes it then.

use std::fmt::{Debug, Display};
use std::sync::OnceLock;

use opentelemetry::trace::SpanContext;
use opentelemetry::{Context, Value};

use crate::callsite::Callsite;
use crate::failed::{Failed, Verdict};
use crate::switch;

/// What keeps attributes, each as it is typed.
pub trait Keep {
    /// A bool.
    fn bool(&mut self, key: &'static str, value: bool);
    /// An integer.
    fn integer(&mut self, key: &'static str, value: i64);
    /// A float.
    fn float(&mut self, key: &'static str, value: f64);
    /// A text, of which a copy is kept, cut to its limit.
    fn text(&mut self, key: &'static str, value: &str);
    /// A text that has its length.
    fn whole(&mut self, key: &'static str, value: &str);
    /// A text that is there for ever.
    fn fixed(&mut self, key: &'static str, value: &'static str);
    /// A value by its `Display`.
    fn display(&mut self, key: &'static str, value: &dyn Display);
    /// A value by its `Debug`.
    fn debug(&mut self, key: &'static str, value: &dyn Debug);
    /// A value as OpenTelemetry has it.
    fn value(&mut self, key: &'static str, value: Value);
}

/// A call of which there may be a span.
pub trait Running: Keep + Debug + Send + Sync {
    /// Whether it may yet start a span.
    fn starts(&self) -> bool;
    /// Whether attributes would be kept.
    fn records(&self) -> bool;
    /// The body gave its value: whether attributes are to be taken from it.
    fn came_back(&mut self) -> bool;

    /// There is no span for this call, now or later.
    fn off(&mut self);
    /// As `off`, and what it named as its parent is current all the same.
    fn without(&mut self);
    /// It is polled for the first time: what was off when it was made may be on now.
    fn ask_again(&mut self);
    /// Another parent than the current context.
    fn parent(&mut self, parent: Context);
    /// No parent: the span starts a trace.
    fn root(&mut self);
    /// No parent, but a link to what would have been one.
    fn root_linked(&mut self);
    /// A link.
    fn link(&mut self, to: SpanContext);
    /// Measures the polls.
    fn time(&mut self);

    /// Asks the sampler, unless that is to see the attributes, and says whether they are to be evaluated.
    fn wants_attributes(&mut self) -> bool;
    /// As `wants_attributes`, for a span that starts later or never: only what is certain now is refused.
    fn may_want_attributes(&self) -> bool;
    /// All that is captured at the entry is with it. If it was made inside its body, it is there now.
    fn captured(&mut self);

    /// Starts the span. `body` names something that stands in the function.
    fn begin(&mut self, body: &'static str);
    /// Makes the span current on this thread, starting it if it has not, until it is left, ended or aborted.
    fn enter(&mut self, body: &'static str, stay: Stay);
    /// The body has left this thread's stack.
    fn left(&mut self, how: Left);
    /// The body's future goes: what its drop runs, runs inside the span.
    fn abandon(&mut self);
    /// It is made current by hand from now on.
    fn stands_by_hand(&mut self);
    /// The span's context; `None` before it has started.
    fn context(&self) -> Option<&Context>;

    /// Ends a call that failed in no way.
    fn finish(self: Box<Self>);
    /// Ends a call whose value nobody judges: an error in it may be its parent's to return.
    fn pass(self: Box<Self>);
    /// Ends a call that returned an error.
    fn fail(self: Box<Self>, failed: &Failed<'_>, verdict: Verdict);
    /// Ends a call that stood by hand: nobody saw how it left, but a panic shows.
    fn conclude(self: Box<Self>, panicked: bool);
    /// Ends a call whose body gave no value.
    fn abort(self: Box<Self>);
}

/// Whether a body that is entered stays until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It does.
    ForGood,
    /// It may leave and come back.
    ForAPoll,
}

/// How the body left the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nobody saw: it panicked, or a macro in the body returned from the function.
    Unseen,
    /// It will be polled again.
    Pending,
    /// It gave one item of a stream; whoever drops it now has had enough, and cancels nothing.
    Yielded,
    /// It gave its value.
    Finished,
}

/// What a call captures at its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captures {
    /// Nothing that a sampler would have to see.
    Nothing,
    /// Attributes: where the sampler is to see them, the call is not inside its body before they are `captured`.
    Attributes,
}

/// A call, if there may be anything to record.
pub type Made = Option<Box<dyn Running>>;

/// How calls are made.
#[derive(Debug)]
pub struct Makers {
    /// As [`started`].
    pub started: fn(&'static Callsite, Option<&'static str>, Captures) -> Made,
    /// As [`waiting`].
    pub waiting: fn(&'static Callsite) -> Made,
    /// As [`under`].
    pub under: fn(&'static Callsite) -> Made,
}

static MAKERS: OnceLock<Makers> = OnceLock::new();

/// Calls can be made from now on. Whoever turns the switch says so first.
pub fn ready(makers: Makers) {
    MAKERS.get_or_init(|| makers);
}

/// A call under whatever is current, begun now if nobody has to be asked. With a `body`, a name that stands in the function,
/// it is inside that.
#[inline(never)]
pub fn started(site: &'static Callsite, body: Option<&'static str>, captures: Captures) -> Made {
    if switch::is_muted(site) {
        return None;
    }
    (MAKERS.get()?.started)(site, body, captures)
}

/// As `started`, for a call that may yet get another parent, or that starts later.
#[inline(never)]
pub fn waiting(site: &'static Callsite) -> Made {
    (MAKERS.get()?.waiting)(site)
}

/// As `waiting`, for a call that names its parent: where it makes no span, its parent is current instead.
#[inline(never)]
pub fn under(site: &'static Callsite) -> Made {
    (MAKERS.get()?.under)(site)
}

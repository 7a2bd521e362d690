//! What is constant about one place in the code that makes spans.
//!
//! The macro puts one `Callsite` into a static beside each traced body. It is read on every call and written
//! only twice: when the place's tracer is first looked up, and when its full name is first asked for.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use opentelemetry::global::{BoxedTracer, ObjectSafeTracerProvider};
use opentelemetry::trace::SpanKind;
use opentelemetry::{InstrumentationScope, KeyValue, Value};

use crate::control::Verdict;

/// A place that makes spans: name, kind, scope and source position.
///
/// There is one for each traced function of a program, so what many have in common they share, and what is only
/// known at run time has its own place.
#[derive(Debug)]
pub struct Callsite {
    pub(crate) name: &'static str,
    origin: &'static Origin,
    found: OnceLock<Box<Found>>,
    /// Its place among all that have recorded; zero before.
    number: AtomicU32,
    /// Whether it makes spans, and since when that holds.
    verdict: AtomicU64,
    line: u32,
    pub(crate) kind: SpanKind,
    /// Whether its spans stay out of OpenTelemetry's context where they can.
    pub(crate) is_leaf: bool,
}

/// What the call sites of one module have in common.
#[derive(Debug)]
pub struct Origin {
    /// The crate's name, or what `scope = "…"` says; then without a version.
    pub scope: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// Completed to the function's full name by the type name of its body.
    pub module: &'static str,
    /// The file, as the compiler prints it.
    pub file: &'static str,
}

/// What a call site finds out when it is first recorded.
#[derive(Debug)]
struct Found {
    scope: InstrumentationScope,
    function: OnceLock<String>,
    tracer: RwLock<Option<(u64, Arc<BoxedTracer>)>>,
}

impl Callsite {
    /// The constants of one place.
    pub const fn new(name: &'static str, kind: SpanKind, line: u32, origin: &'static Origin) -> Self {
        Self::with(name, kind, line, origin, false)
    }

    /// As `new`, for a function that calls nothing that reads OpenTelemetry's context.
    pub const fn leaf(name: &'static str, kind: SpanKind, line: u32, origin: &'static Origin) -> Self {
        Self::with(name, kind, line, origin, true)
    }

    const fn with(
        name: &'static str,
        kind: SpanKind,
        line: u32,
        origin: &'static Origin,
        is_leaf: bool,
    ) -> Self {
        let (number, verdict) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { name, origin, found: OnceLock::new(), number, verdict, line, kind, is_leaf }
    }

    /// Its place among all call sites that have recorded.
    #[inline]
    pub(crate) fn number(&'static self) -> u32 {
        match self.number.load(Ordering::Relaxed) {
            0 => self.enrol(),
            number => number,
        }
    }

    #[cold]
    fn enrol(&'static self) -> u32 {
        let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.number.load(Ordering::Relaxed);
        if number != 0 {
            return number;
        }
        sites.push(self);
        let number = u32::try_from(sites.len()).unwrap_or(u32::MAX);
        self.number.store(number, Ordering::Relaxed);
        number
    }

    /// What was said last about whether it makes spans.
    #[inline]
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict(self.verdict.load(Ordering::Relaxed))
    }

    pub(crate) fn judge(&self, verdict: Verdict) {
        self.verdict.store(verdict.0, Ordering::Relaxed);
    }

    /// The module it stands in.
    pub(crate) fn module(&self) -> &'static str {
        self.origin.module
    }

    fn found(&self) -> &Found {
        self.found.get_or_init(|| {
            let Origin { scope, version, .. } = *self.origin;
            let scope = InstrumentationScope::builder(scope);
            let scope = if version.is_empty() { scope.build() } else { scope.with_version(version).build() };
            Box::new(Found { scope, function: OnceLock::new(), tracer: RwLock::default() })
        })
    }

    /// The scope its spans belong to.
    pub(crate) fn scope(&self) -> &InstrumentationScope {
        &self.found().scope
    }

    /// This place's tracer of another provider, looked up once for the pipeline of that generation and not for each call.
    pub(crate) fn tracer(
        &self,
        generation: u64,
        provider: &(dyn ObjectSafeTracerProvider + Send + Sync),
    ) -> Arc<BoxedTracer> {
        let cached = &self.found().tracer;
        if let Some((of, tracer)) = &*cached.read().unwrap_or_else(PoisonError::into_inner)
            && *of == generation
        {
            return Arc::clone(tracer);
        }
        let tracer = Arc::new(BoxedTracer::new(provider.boxed_tracer(self.scope().clone())));
        *cached.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&tracer)));
        tracer
    }

    /// Learns the function's full name. `body` is the type name of its body: the one name the compiler makes that
    /// knows the `impl` a method stands in.
    #[inline]
    pub(crate) fn learn(&self, body: &'static str) {
        if self.found.get().is_none_or(|found| found.function.get().is_none()) {
            self.found().function.get_or_init(|| function_name(self.origin.module, self.name, body));
        }
    }

    /// The `code.*` attributes.
    pub(crate) fn code_attributes(&'static self) -> [KeyValue; 3] {
        let Origin { module, file, .. } = *self.origin;
        // Its place is kept for the full name: a call that never was in its body may come before one that is.
        let function = match self.found().function.get() {
            Some(function) => Value::from(function.as_str()),
            None => Value::from(format!("{module}::{}", self.name)),
        };
        [
            KeyValue::new("code.function.name", function),
            KeyValue::new("code.file.path", file),
            KeyValue::new("code.line.number", i64::from(self.line)),
        ]
    }
}

/// Every call site that has recorded, by its number.
static SITES: RwLock<Vec<&'static Callsite>> = RwLock::new(Vec::new());

/// The call site of a number.
pub(crate) fn numbered(number: u32) -> Option<&'static Callsite> {
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    sites.get((number as usize).checked_sub(1)?).copied()
}

/// `shop::cart::Cart::total` out of `shop::cart::Cart<T>::total::{{closure}}::{{closure}}`.
fn function_name(module: &str, name: &str, body: &str) -> String {
    let mut path = body;
    while let Some(outer) = path.strip_suffix("::{{closure}}") {
        path = outer;
    }
    if path == body {
        return format!("{module}::{name}");
    }
    without_generics(path)
}

/// Drops `<…>` behind a name; keeps the `<Type as Trait>` that opens a path.
fn without_generics(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut depth = 0_u32;
    let mut previous = ' ';
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        let opens_generics = c == '<' && (previous.is_alphanumeric() || previous == '_' || depth > 0);
        match c {
            '<' if opens_generics => depth += 1,
            '>' if depth > 0 && previous != '-' => depth -= 1,
            // What `::<…>` leaves behind in paths such as `name::<T>`.
            ':' if depth == 0 && chars.peek() == Some(&'<') && out.ends_with(':') => {
                out.pop();
                chars.next();
                depth += 1;
            }
            _ if depth == 0 => out.push(c),
            _ => {}
        }
        previous = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{function_name, without_generics};

    #[test]
    fn a_function_is_named_by_its_path() {
        assert_eq!(function_name("shop", "f", "shop::f::{{closure}}"), "shop::f");
        assert_eq!(function_name("shop", "f", "shop::f::{{closure}}::{{closure}}"), "shop::f");
        assert_eq!(function_name("shop", "load", "alloc::boxed::Box<dyn Fn()>"), "shop::load");
    }

    #[test]
    fn generics_do_not_multiply_names() {
        assert_eq!(without_generics("shop::Cart<alloc::vec::Vec<u8>>::total"), "shop::Cart::total");
        assert_eq!(without_generics("shop::total<fn(u8) -> u8>"), "shop::total");
        assert_eq!(
            without_generics("<shop::Cart<u8> as shop::Sum>::total"),
            "<shop::Cart as shop::Sum>::total"
        );
    }
}

//! What is constant about one place in the code that makes spans.
//!
//! The macro puts one `Callsite` into a static beside each traced body. It is read on every call and written
//! only twice: when the place's tracer is first looked up, and when its full name is first asked for.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::SpanKind;
use opentelemetry::{InstrumentationScope, KeyValue};

use crate::pipeline::Pipeline;

/// A place that makes spans: name, kind, scope and source position.
#[derive(Debug)]
pub struct Callsite {
    pub(crate) name: &'static str,
    pub(crate) kind: SpanKind,
    /// The crate's name, or what `scope = "…"` says; then without a version.
    scope: &'static str,
    version: &'static str,
    /// Completed to the function's full name by the type name of its body.
    module: &'static str,
    file: &'static str,
    line: u32,
    function: OnceLock<String>,
    tracer: RwLock<Option<(u64, Arc<BoxedTracer>)>>,
}

impl Callsite {
    /// The constants of one place.
    pub const fn new(
        name: &'static str,
        kind: SpanKind,
        scope: &'static str,
        version: &'static str,
        module: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            name,
            kind,
            scope,
            version,
            module,
            file,
            line,
            function: OnceLock::new(),
            tracer: RwLock::new(None),
        }
    }

    /// This place's tracer in the given pipeline, looked up once per pipeline and not per call.
    pub(crate) fn tracer(&self, pipeline: &Pipeline) -> Arc<BoxedTracer> {
        if let Some((generation, tracer)) = &*self.tracer.read().unwrap_or_else(PoisonError::into_inner)
            && *generation == pipeline.generation()
        {
            return Arc::clone(tracer);
        }
        let tracer = Arc::new(pipeline.tracer(self.instrumentation_scope()));
        *self.tracer.write().unwrap_or_else(PoisonError::into_inner) =
            Some((pipeline.generation(), Arc::clone(&tracer)));
        tracer
    }

    fn instrumentation_scope(&self) -> InstrumentationScope {
        let scope = InstrumentationScope::builder(self.scope);
        if self.version.is_empty() { scope.build() } else { scope.with_version(self.version).build() }
    }

    /// The `code.*` attributes. `body` is the type name of the function's body: the one name the compiler
    /// makes that knows the `impl` a method stands in.
    pub(crate) fn code_attributes(&'static self, body: fn() -> &'static str) -> [KeyValue; 3] {
        let function = self.function.get_or_init(|| function_name(self.module, self.name, body()));
        [
            KeyValue::new("code.function.name", function.as_str()),
            KeyValue::new("code.file.path", self.file),
            KeyValue::new("code.line.number", i64::from(self.line)),
        ]
    }
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

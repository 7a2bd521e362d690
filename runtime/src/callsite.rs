//! What is known of a call site at run time: its number, its scope, the full name of its function, its tracer.
//!
//! It is written only when it is first asked for; what is constant stands in the `Callsite` itself.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use opentelemetry::global::{BoxedTracer, ObjectSafeTracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use traced_core::{Callsite, Origin};

use crate::control::Verdict;

/// What a call site finds out when it is first recorded.
#[derive(Debug)]
struct Found {
    site: &'static Callsite,
    scope: InstrumentationScope,
    function: OnceLock<String>,
    tracer: RwLock<Option<(u64, Arc<BoxedTracer>)>>,
}

/// Every call site that has recorded, by its number. They are as many as there are traced functions.
static FOUND: RwLock<Vec<&'static Found>> = RwLock::new(Vec::new());

/// The call site of a number.
pub(crate) fn numbered(number: u32) -> Option<&'static Callsite> {
    Some(found(number)?.site)
}

fn found(number: u32) -> Option<&'static Found> {
    let all = FOUND.read().unwrap_or_else(PoisonError::into_inner);
    all.get((number as usize).checked_sub(1)?).copied()
}

/// A call site, as the recorder knows it.
pub(crate) trait Site {
    /// Its place among all call sites that have recorded.
    fn number(&'static self) -> u32;

    /// What was said last about whether it makes spans.
    fn verdict(&self) -> Verdict;

    fn judge(&self, verdict: Verdict);

    /// The module it stands in.
    fn module(&self) -> &'static str;

    /// The scope its spans belong to.
    fn scope(&'static self) -> &'static InstrumentationScope;

    /// This place's tracer of another provider, looked up once for the pipeline of that generation and not for each call.
    fn tracer(
        &'static self,
        generation: u64,
        provider: &(dyn ObjectSafeTracerProvider + Send + Sync),
    ) -> Arc<BoxedTracer>;

    /// Learns the function's full name. `body` is the type name of its body: the one name the compiler makes that
    /// knows the `impl` a method stands in.
    fn learn(&'static self, body: &'static str);

    /// The `code.*` attributes.
    fn code_attributes(&'static self) -> [KeyValue; 3];
}

impl Site for Callsite {
    #[inline]
    fn number(&'static self) -> u32 {
        match self.number.load(Ordering::Relaxed) {
            0 => enrol(self),
            number => number,
        }
    }

    #[inline]
    fn verdict(&self) -> Verdict {
        Verdict(self.verdict.load(Ordering::Relaxed))
    }

    fn judge(&self, verdict: Verdict) {
        self.verdict.store(verdict.0, Ordering::Relaxed);
    }

    fn module(&self) -> &'static str {
        self.origin.module
    }

    fn scope(&'static self) -> &'static InstrumentationScope {
        &known(self).scope
    }

    fn tracer(
        &'static self,
        generation: u64,
        provider: &(dyn ObjectSafeTracerProvider + Send + Sync),
    ) -> Arc<BoxedTracer> {
        let Found { scope, tracer: cached, .. } = known(self);
        if let Some((of, tracer)) = &*cached.read().unwrap_or_else(PoisonError::into_inner)
            && *of == generation
        {
            return Arc::clone(tracer);
        }
        let tracer = Arc::new(BoxedTracer::new(provider.boxed_tracer(scope.clone())));
        *cached.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&tracer)));
        tracer
    }

    #[inline]
    fn learn(&'static self, body: &'static str) {
        if !self.is_named.load(Ordering::Acquire) {
            name(self, body);
        }
    }

    fn code_attributes(&'static self) -> [KeyValue; 3] {
        let Origin { module, file, .. } = *self.origin;
        // Its place is kept for the full name: a call that never was in its body may come before one that is.
        let function = match known(self).function.get() {
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

#[cold]
fn enrol(site: &'static Callsite) -> u32 {
    let mut all = FOUND.write().unwrap_or_else(PoisonError::into_inner);
    let number = site.number.load(Ordering::Relaxed);
    if number != 0 {
        return number;
    }
    let Origin { scope, version, .. } = *site.origin;
    let scope = InstrumentationScope::builder(scope);
    let scope = if version.is_empty() { scope.build() } else { scope.with_version(version).build() };
    // As long-lived as the site.
    all.push(Box::leak(Box::new(Found {
        site,
        scope,
        function: OnceLock::new(),
        tracer: RwLock::default(),
    })));
    let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
    site.number.store(number, Ordering::Relaxed);
    number
}

/// How many sites a thread remembers, to ask for them without a lock.
const NEAR: usize = 64;

thread_local! {
    static KNOWN: [Cell<Option<&'static Found>>; NEAR] = const { [const { Cell::new(None) }; NEAR] };
}

fn known(site: &'static Callsite) -> &'static Found {
    let number = site.number();
    KNOWN.with(|known| {
        let near = &known[number as usize % NEAR];
        near.get().filter(|found| std::ptr::eq(found.site, site)).unwrap_or_else(|| {
            let found = found(number).expect("who has a number stands at its place");
            near.set(Some(found));
            found
        })
    })
}

#[cold]
fn name(site: &'static Callsite, body: &'static str) {
    known(site).function.get_or_init(|| function_name(site.origin.module, site.name, body));
    site.is_named.store(true, Ordering::Release);
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

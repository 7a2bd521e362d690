//! What context travels in: the two traits of a carrier, and all that has them.
//!
//! A carrier finds and puts values by name. It judges none of them: what it finds may be anything, and what it
//! is given is sound already.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::hash::BuildHasher;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use opentelemetry::propagation::{Extractor, Injector};

/// Something [`inject`](crate::inject) can write to.
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

/// Something [`extract`](crate::extract) can read from.
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

    /// Hands over every name. Only Jaeger's baggage and propagators of your own that look for a prefix need it.
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
    [S: BuildHasher] HashMap<String, String, S>;
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

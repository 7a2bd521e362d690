//! Chosen members of the baggage as attributes of every span below it.

use opentelemetry::baggage::BaggageExt;

use super::{Processor, Starting};

/// The names of the members, which are those of the attributes as well.
pub(crate) struct BaggageAttributes(pub(crate) Vec<String>);

impl Processor for BaggageAttributes {
    fn on_start(&self, span: &mut Starting<'_>) {
        let baggage = span.parent.baggage();
        for name in &self.0 {
            // A value from outside is a text like any other: it is cut where it is too long.
            if let Some(value) = baggage.get(name) {
                span.set(name.clone(), value.as_str());
            }
        }
    }
}

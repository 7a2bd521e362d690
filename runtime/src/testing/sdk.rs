//! The SDK as the recorder of a capture: the oracle for our own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

use crate::pipeline::no_limits;

/// The spans that have begun, in their order, and whether they have ended.
#[derive(Clone, Default, Debug)]
pub(super) struct Seen(Arc<Mutex<Vec<(SpanData, bool)>>>);

/// A provider whose spans are seen.
pub(super) fn provider(seen: &Seen) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_sampler(super::always())
        .with_span_limits(no_limits())
        .with_span_processor(seen.clone())
        .build()
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Vec<(SpanData, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Vec<(SpanData, bool)> {
        std::mem::take(&mut self.lock())
    }
}

impl SpanProcessor for Seen {
    fn on_start(&self, span: &mut Span, _: &Context) {
        if let Some(data) = span.exported_data() {
            self.lock().push((data, false));
        }
    }

    fn on_end(&self, data: SpanData) {
        let mut spans = self.lock();
        let id = data.span_context.span_id();
        if let Some(span) = spans.iter_mut().rfind(|(span, _)| span.span_context.span_id() == id) {
            *span = (data, true);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

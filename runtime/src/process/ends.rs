//! A span processor of the SDK as the end of a queue, for its `on_end`.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanProcessor;

use crate::export::{Export, OpenIn, Parcel, Sent};

/// Shows a processor of the SDK that spans have ended.
#[derive(Debug)]
pub(crate) struct Ends<P>(pub(crate) P);

impl<P: SpanProcessor> Export for Ends<P> {
    fn prepare(&mut self, resource: &Resource, _: OpenIn) {
        self.0.set_resource(resource);
    }

    fn export(&self, parcel: &mut Parcel, _: Duration) -> Sent {
        for span in parcel.take() {
            self.0.on_end(span);
        }
        Sent::Taken
    }

    fn flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    /// So that what it does with one span costs no other.
    fn most(&self) -> usize {
        1
    }
}

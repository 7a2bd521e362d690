//! What is handed to an exporter, and what becomes of it: exporters of this crate say whether it may be tried again.

use std::any::Any;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::OpenIn;
use crate::console::Console;

/// Spans that are handed over together, as often as it takes.
pub(crate) struct Parcel {
    spans: Vec<SpanData>,
    count: usize,
    /// The spans as they are sent, instead of them.
    #[cfg(feature = "transport")]
    packed: Option<bytes::Bytes>,
}

impl Parcel {
    pub(crate) fn new(spans: Vec<SpanData>) -> Self {
        Self {
            count: spans.len(),
            spans,
            #[cfg(feature = "transport")]
            packed: None,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The spans, for who takes them whatever comes of it.
    pub(crate) fn take(&mut self) -> Vec<SpanData> {
        std::mem::take(&mut self.spans)
    }

    /// The spans, packed the first time that they are asked for.
    #[cfg(feature = "transport")]
    pub(crate) fn packed(&mut self, pack: impl FnOnce(&[SpanData]) -> Vec<u8>) -> &bytes::Bytes {
        self.packed.get_or_insert_with(|| pack(&std::mem::take(&mut self.spans)).into())
    }
}

/// What became of a parcel.
#[derive(Debug)]
#[cfg_attr(not(feature = "transport"), expect(dead_code, reason = "exporters of others succeed or fail"))]
pub(crate) enum Sent {
    Taken,
    /// The rest was taken.
    Partly {
        rejected: u64,
        reason: String,
    },
    /// For good.
    Refused(String),
    /// It may succeed later: after a while that the receiver has named, if it has.
    Again {
        reason: String,
        after: Option<Duration>,
    },
}

/// `SpanExporter`, as an object.
pub(crate) trait Export: Send {
    fn prepare(&mut self, resource: &Resource, open: OpenIn);
    /// Takes the parcel, or leaves it to be tried again. Only exporters of this crate heed the limit.
    fn export(&self, parcel: &mut Parcel, limit: Duration) -> Sent;
    fn flush(&self) -> OTelSdkResult;
    fn shutdown(&self, timeout: Duration) -> OTelSdkResult;

    /// How many spans it takes at once, at most.
    fn most(&self) -> usize {
        usize::MAX
    }
}

impl<E: SpanExporter + 'static> Export for E {
    fn prepare(&mut self, resource: &Resource, open: OpenIn) {
        self.set_resource(resource);
        // The console waits with a trace until all of it is there.
        if let Some(console) = (self as &mut dyn Any).downcast_mut::<Console>() {
            console.open_spans(open);
        }
    }

    #[cfg_attr(
        not(feature = "transport"),
        expect(unused_variables, reason = "nobody is there to heed the limit")
    )]
    fn export(&self, parcel: &mut Parcel, limit: Duration) -> Sent {
        #[cfg(feature = "transport")]
        if let Some(exporter) = (self as &dyn Any).downcast_ref::<crate::transport::Exporter>() {
            return exporter.send(parcel, limit);
        }
        // Others know best whether to try again, and have the spans then.
        let spans = parcel.take();
        match futures_executor::block_on(SpanExporter::export(self, spans)) {
            Ok(()) => Sent::Taken,
            Err(error) => Sent::Refused(error.to_string()),
        }
    }

    fn flush(&self) -> OTelSdkResult {
        self.force_flush()
    }

    fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        self.shutdown_with_timeout(timeout)
    }
}

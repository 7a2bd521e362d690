//! gRPC: one method of one service, on a thread and a runtime of its own.
//!
//! The bytes are made where those for HTTP are. Whoever sends waits for the thread, without being in a runtime, so that
//! it may be called from inside of any.

use std::error::Error as _;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use opentelemetry::Context;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tonic::client::Grpc as Client;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{AGENT, Address, Format, Misconfigured, Options, taken};
use crate::export::Sent;
use crate::otlp::{Field, fields};
use crate::setup::clean;

const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A place that takes spans.
pub(super) struct Grpc {
    endpoint: Endpoint,
    headers: MetadataMap,
    gzip: bool,
    hint: &'static str,
    /// The thread, once there is one.
    calls: Mutex<Option<UnboundedSender<Call>>>,
}

/// What the thread is asked.
struct Call {
    body: Bytes,
    limit: Duration,
    answer: SyncSender<Result<Bytes, Failure>>,
}

enum Failure {
    Status(Box<Status>),
    TimedOut,
}

impl Grpc {
    pub(super) fn new(
        address: &Address,
        options: &Options,
        hint: &'static str,
    ) -> Result<Self, Misconfigured> {
        let wrong = |error: tonic::transport::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Misconfigured(format!("gRPC cannot be set up: {error}{cause}"))
        };
        let endpoint = Endpoint::from_shared(address.url()).map_err(wrong)?;
        let endpoint = endpoint.user_agent(AGENT).map_err(wrong)?;
        #[cfg(feature = "tls")]
        let endpoint = if address.is_encrypted {
            let tls = options.tls.clone().unwrap_or_default().channel()?;
            endpoint.tls_config(tls).map_err(wrong)?
        } else {
            endpoint
        };
        let mut headers = MetadataMap::new();
        for (name, value) in options.headers(address) {
            let name = name.to_ascii_lowercase().parse::<AsciiMetadataKey>();
            let (Ok(name), Ok(value)) = (name, value.parse::<AsciiMetadataValue>()) else {
                return Err(Misconfigured("a header cannot be sent by gRPC".to_owned()));
            };
            headers.append(name, value);
        }
        Ok(Self { endpoint, headers, gzip: options.gzip, hint, calls: Mutex::default() })
    }

    pub(super) fn send(&self, body: &Bytes, limit: Duration, format: &dyn Format) -> Sent {
        let (answer, answered) = sync_channel(1);
        if let Err(error) = self.ask(Call { body: body.clone(), limit, answer }) {
            return Sent::Again { reason: format!("cannot be asked: no thread: {error}"), after: None };
        }
        // The thread keeps the time; this is for one that is not there any more.
        let patience = limit.saturating_add(Duration::from_secs(1));
        match answered.recv_timeout(patience) {
            Ok(Ok(answer)) => taken(format.partial(&answer)),
            Ok(Err(Failure::Status(status))) => judged(&status, self.hint),
            Ok(Err(Failure::TimedOut)) | Err(RecvTimeoutError::Timeout) => {
                Sent::Again { reason: format!("has not answered within {limit:?}"), after: None }
            }
            Err(RecvTimeoutError::Disconnected) => {
                Sent::Again { reason: "cannot be asked: its thread has ended".to_owned(), after: None }
            }
        }
    }

    fn ask(&self, call: Call) -> std::io::Result<()> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let call = match calls.as_ref() {
            Some(thread) => match thread.send(call) {
                Ok(()) => return Ok(()),
                Err(back) => back.0,
            },
            None => call,
        };
        *calls = Some(self.start(call)?);
        Ok(())
    }

    /// The thread, with its first call.
    fn start(&self, call: Call) -> std::io::Result<UnboundedSender<Call>> {
        let (sender, receiver) = unbounded_channel();
        let (endpoint, headers, gzip) = (self.endpoint.clone(), self.headers.clone(), self.gzip);
        // What was never sent answers whoever waits by going.
        let _ = sender.send(call);
        std::thread::Builder::new().name("traced-grpc".to_owned()).spawn(move || {
            let _quiet = Context::enter_telemetry_suppressed_scope();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(serve(&endpoint, &headers, gzip, receiver));
                // A name that is being looked up is not waited for.
                runtime.shutdown_background();
            }
        })?;
        Ok(sender)
    }
}

/// The thread's life: one call after the other, until nobody can ask any more.
async fn serve(endpoint: &Endpoint, headers: &MetadataMap, gzip: bool, mut calls: UnboundedReceiver<Call>) {
    let mut client = Client::new(endpoint.connect_lazy()).accept_compressed(CompressionEncoding::Gzip);
    if gzip {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    while let Some(Call { body, limit, answer }) = calls.recv().await {
        let call = tokio::time::timeout(limit, export(&mut client, headers, body));
        let result = match call.await {
            Ok(result) => result.map_err(|status| Failure::Status(Box::new(status))),
            Err(_) => Err(Failure::TimedOut),
        };
        // Whoever gave up waiting is not told.
        let _ = answer.send(result);
    }
}

async fn export(client: &mut Client<Channel>, headers: &MetadataMap, body: Bytes) -> Result<Bytes, Status> {
    let ready = client.ready().await;
    ready.map_err(|error| Status::from_error(Box::new(error)))?;
    let mut request = Request::new(body);
    *request.metadata_mut() = headers.clone();
    let method = tonic::codegen::http::uri::PathAndQuery::from_static(METHOD);
    Ok(client.unary(request, method, Raw).await?.into_inner())
}

/// What a failure means: as the specification of OTLP has it.
fn judged(status: &Status, hint: &str) -> Sent {
    let message = clean(status.message());
    // What has a source came up on the way, and is not the receiver's word.
    if let Some(source) = status.source() {
        let mut cause = source;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let cause = clean(&cause.to_string());
        // Text is read as a frame: the answer of a receiver, or of TLS, that knows nothing of HTTP/2.
        let hint = if cause.contains("frame with invalid size") { hint } else { "" };
        return Sent::Again { reason: format!("cannot be reached: {cause}{hint}"), after: None };
    }
    let after = retry_delay(status.details());
    let reason = match message.as_str() {
        "" => format!("answered {:?}", status.code()),
        message => format!("answered {:?}: {message}", status.code()),
    };
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Sent::Again { reason, after },
        // Exhausted for now, if it says for how long; else for good.
        Code::ResourceExhausted if after.is_some() => Sent::Again { reason, after },
        _ => Sent::Refused(reason),
    }
}

/// The delay of a `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    for (number, field) in fields(details)? {
        let (3, Field::Bytes(detail)) = (number, field) else { continue };
        let (mut is_retry, mut value) = (false, None);
        for (number, field) in fields(detail)? {
            match (number, field) {
                (1, Field::Bytes(name)) => is_retry = name.ends_with(b"/google.rpc.RetryInfo"),
                (2, Field::Bytes(message)) => value = Some(message),
                _ => {}
            }
        }
        let Some(info) = value.filter(|_| is_retry) else { continue };
        let mut delay = Duration::ZERO;
        for (number, field) in fields(info)? {
            let (1, Field::Bytes(duration)) = (number, field) else { continue };
            for (number, field) in fields(duration)? {
                match (number, field) {
                    (1, Field::Number(seconds)) => delay += Duration::from_secs(seconds.min(1 << 32)),
                    (2, Field::Number(nanos)) => delay += Duration::from_nanos(nanos.min(999_999_999)),
                    _ => {}
                }
            }
        }
        return Some(delay);
    }
    None
}

/// Messages as they are: they were made elsewhere.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}

//! gRPC: the same, over HTTP/2.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tonic::codegen::http::{HeaderMap, Response};
use traced::ExportError;
use traced::otlp::Otlp;

use crate::exporters::{LONG, settled, turn};
use crate::{assert_counts, calls, numbers, set_up};

/// What is done with a call.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    Takes(ExportTraceServiceResponse),
    /// A code, and details in base64.
    Fails(&'static str, Option<&'static str>),
    /// The connection is closed.
    Hangs,
    Sleeps,
}

pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    pub(crate) numbers: Vec<i64>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) calls: Queue<Call>,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) fn takes() -> Manner {
    Manner::Takes(ExportTraceServiceResponse::default())
}

pub(crate) type Socket = Box<dyn Io>;
pub(crate) trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

/// How a connection becomes one that speaks HTTP/2.
pub(crate) type Accept = Arc<
    dyn Fn(tokio::net::TcpStream) -> std::pin::Pin<Box<dyn Future<Output = Option<Socket>> + Send>>
        + Send
        + Sync,
>;

fn receiver(manners: impl IntoIterator<Item = Manner>) -> Receiver {
    on(
        "127.0.0.1:0".parse().unwrap(),
        manners,
        Arc::new(|stream| Box::pin(async { Some(Box::new(stream) as Socket) })),
    )
}

/// The manners, in turn; the last one for good.
pub(crate) fn on(address: SocketAddr, manners: impl IntoIterator<Item = Manner>, accept: Accept) -> Receiver {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
    let address = listener.local_addr().unwrap();
    let manners = Arc::new(Mutex::new(manners.into_iter().collect::<Vec<_>>()));
    let (came, calls) = channel();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (manners, came, accept) = (Arc::clone(&manners), came.clone(), Arc::clone(&accept));
            tokio::spawn(async move {
                let Some(stream) = accept(stream).await else { return };
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let manner = {
                        let mut manners = manners.lock().unwrap();
                        if manners.len() > 1 { manners.remove(0) } else { manners[0].clone() }
                    };
                    if matches!(manner, Manner::Hangs) {
                        return;
                    }
                    tokio::spawn(answer(request, respond, manner, came.clone()));
                }
            });
        }
    });
    Receiver { address, calls, _runtime: runtime }
}

async fn answer(
    request: tonic::codegen::http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    manner: Manner,
    came: Sender<Call>,
) {
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend_from_slice(&chunk);
    }
    // Whether it is packed, and its length.
    let message = match body[0] {
        0 => body[5..].to_vec(),
        _ => {
            let mut unpacked = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[5..]), &mut unpacked).unwrap();
            unpacked
        }
    };
    let numbers = numbers(ExportTraceServiceRequest::decode(message.as_slice()).unwrap());
    let _ = came.send(Call { headers: parts.headers, path: parts.uri.path().to_owned(), numbers });
    let head = Response::builder().header("content-type", "application/grpc");
    match manner {
        Manner::Takes(response) => {
            let message = response.encode_to_vec();
            let mut framed = vec![0];
            framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
            framed.extend_from_slice(&message);
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data(framed.into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
        Manner::Fails(code, details) => {
            let head = head.header("grpc-status", code).header("grpc-message", "as told");
            let head = match details {
                Some(details) => head.header("grpc-status-details-bin", details),
                None => head,
            };
            respond.send_response(head.body(()).unwrap(), true).unwrap();
        }
        Manner::Sleeps => tokio::time::sleep(LONG).await,
        Manner::Hangs => {}
    }
}

/// `google.rpc.Status` with a `RetryInfo` of 1.5 seconds.
fn retry_info() -> &'static str {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Duration {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct RetryInfo {
        #[prost(message, tag = "1")]
        retry_delay: Option<Duration>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }
    let info = RetryInfo { retry_delay: Some(Duration { seconds: 1, nanos: 500_000_000 }) };
    let other = Any { type_url: "type.googleapis.com/google.rpc.Help".to_owned(), value: vec![] };
    let any =
        Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() };
    let status = Status { code: 8, message: "as told".to_owned(), details: vec![other, any] };
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, status.encode_to_vec()).leak()
}

fn otlp(address: SocketAddr) -> Otlp {
    Otlp::grpc(format!("http://{address}")).timeout(Duration::from_secs(5))
}

#[test]
fn spans_arrive_with_their_headers_packed_or_not() {
    let _turn = turn();
    for is_packed in [false, true] {
        let receiver = receiver([takes()]);
        let exporter = otlp(receiver.address).header("X-Tenant", "blue");
        let exporter = if is_packed { exporter.gzip() } else { exporter };
        let tracing = set_up(exporter.build().unwrap());
        calls(3);
        tracing.flush().unwrap();
        let call = receiver.calls.recv_timeout(LONG).unwrap();
        assert_eq!(call.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
        assert_eq!(call.numbers, [0, 1, 2]);
        assert_eq!(call.headers["x-tenant"], "blue");
        assert_eq!(call.headers.contains_key("grpc-encoding"), is_packed);
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3, 0, 0);
    }
}

#[test]
fn what_may_be_tried_again_is_until_it_is_taken() {
    let _turn = turn();
    // Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss.
    let codes = ["1", "4", "10", "11", "14", "15"].map(|code| Manner::Fails(code, None));
    for manner in codes.into_iter().chain([Manner::Hangs]) {
        let receiver = receiver([manner.clone(), takes()]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        let stats = settled(&tracing, |stats| stats.exported == 3);
        assert_eq!(stats.retried, 1, "{manner:?}");
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 3, 0, 0);
    }
}

#[test]
fn what_is_exhausted_is_waited_for_as_long_as_it_says_and_else_given_up() {
    let _turn = turn();
    let told = receiver([Manner::Fails("8", Some(retry_info())), takes()]);
    let tracing = set_up(otlp(told.address).build().unwrap());
    calls(3);
    told.calls.recv_timeout(LONG).unwrap();
    let asked = Instant::now();
    told.calls.recv_timeout(LONG).unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(1_400), "{:?}", asked.elapsed());
    settled(&tracing, |stats| stats.exported == 3);
    tracing.shutdown(LONG).unwrap();

    let untold = receiver([Manner::Fails("8", None)]);
    let tracing = set_up(otlp(untold.address).build().unwrap());
    calls(3);
    assert!(matches!(tracing.flush(), Err(ExportError::Failed { spans: 3, .. })));
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 0, 3, 0);
}

#[test]
fn what_is_refused_is_counted_and_not_tried_again() {
    let _turn = turn();
    // Unknown, invalid argument, permission denied, unimplemented, internal, unauthenticated.
    for code in ["2", "3", "7", "12", "13", "16"] {
        let receiver = receiver([Manner::Fails(code, None)]);
        let tracing = set_up(otlp(receiver.address).build().unwrap());
        calls(3);
        match tracing.flush().unwrap_err() {
            ExportError::Failed { spans: 3, reason } => assert!(reason.contains(": as told"), "{reason}"),
            other => panic!("{other:?} for {code}"),
        }
        tracing.shutdown(LONG).unwrap();
        assert_counts(tracing.stats(), 0, 3, 0);
        assert_eq!(receiver.calls.try_iter().count(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_speaks_http_to_a_receiver_of_grpc_is_told_what_to_set() {
    let _turn = turn();
    // On gRPC's own port, since such a receiver may also hang up before it is heard. Loopback has more addresses than one.
    let plain: Accept = Arc::new(|stream| Box::pin(async { Some(Box::new(stream) as Socket) }));
    let receiver = on("127.64.31.8:4317".parse().unwrap(), [takes()], plain);
    let tracing = set_up(crate::otlp(receiver.address).build().unwrap());
    calls(3);
    let told = tracing.flush().unwrap_err().to_string();
    assert!(told.contains("expected `OTEL_EXPORTER_OTLP_PROTOCOL=grpc` or `Otlp::grpc`"), "{told}");
    let _ = tracing.shutdown(Duration::from_secs(5));
    assert_counts(tracing.stats(), 0, 3, 0);
}

#[test]
fn who_speaks_grpc_to_a_receiver_of_http_is_told_what_to_set() {
    let _turn = turn();
    let speaks_http = crate::receiver::receiver([crate::receiver::Manner::status("400 Bad Request")]);
    let tracing = set_up(otlp(speaks_http.address).build().unwrap());
    calls(3);
    match tracing.flush().unwrap_err() {
        ExportError::Kept { waiting: 3, reason } => {
            let expected = "expected `OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf` or `Otlp::http`";
            assert!(reason.contains(expected), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(tracing.shutdown(Duration::from_secs(5)).is_err());
    assert_counts(tracing.stats(), 0, 3, 0);
}

/// Some hang up without a word; then the port is all there is to go by.
#[cfg(target_os = "linux")]
#[test]
fn who_hangs_up_on_the_port_of_grpc_may_have_expected_it() {
    use crate::receiver::{Manner, receiver, receiver_at};

    let _turn = turn();
    // Loopback has more addresses than one, and nobody else listens on this one.
    let on_its_port = receiver_at("127.64.31.7:4317".parse().unwrap(), [Manner::Hangs]);
    for (receiver, is_hinted) in [(on_its_port, true), (receiver([Manner::Hangs]), false)] {
        let tracing = set_up(crate::otlp(receiver.address).build().unwrap());
        calls(3);
        match tracing.flush().unwrap_err() {
            ExportError::Kept { waiting: 3, reason } => {
                assert_eq!(reason.contains("OTEL_EXPORTER_OTLP_PROTOCOL=grpc"), is_hinted, "{reason}");
            }
            other => panic!("{other:?}"),
        }
        assert!(tracing.shutdown(Duration::from_secs(5)).is_err());
    }
}

#[test]
fn what_grpc_cannot_do_is_told_before_anything_is_sent() {
    let told = |otlp: Otlp| otlp.build().unwrap_err().to_string();
    assert_eq!(
        told(Otlp::grpc("http://me:hunter2@h:4317/v1/traces?key=hunter3")),
        "the address `http://***@h:4317/v1/traces?***`: gRPC has its own path; expected `http://***@h:4317`"
    );
    assert_eq!(
        told(Otlp::grpc("http://h:4317").json()),
        "gRPC has no JSON; expected `Otlp::http` with `json`"
    );
}

#[test]
fn spans_that_the_receiver_rejects_are_counted() {
    let _turn = turn();
    let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() };
    let receiver = receiver([Manner::Takes(ExportTraceServiceResponse { partial_success: Some(partial) })]);
    let tracing = set_up(otlp(receiver.address).build().unwrap());
    calls(3);
    assert!(matches!(tracing.flush(), Err(ExportError::Failed { spans: 2, .. })));
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 1, 0, 2);
}

#[test]
fn what_was_kept_while_nobody_answered_arrives_when_somebody_does() {
    let _turn = turn();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tracing = set_up(otlp(address).build().unwrap());
    calls(30);
    settled(&tracing, |stats| stats.retried > 1);
    match tracing.flush().unwrap_err() {
        ExportError::Kept { waiting: 30, reason } => assert!(reason.contains("refused"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let receiver =
        on(address, [takes()], Arc::new(|stream| Box::pin(async { Some(Box::new(stream) as Socket) })));
    settled(&tracing, |stats| stats.exported == 30);
    let arrived: usize = receiver.calls.try_iter().map(|call| call.numbers.len()).sum();
    assert_eq!(arrived, 30);
    tracing.shutdown(LONG).unwrap();
    assert_counts(tracing.stats(), 30, 0, 0);
}

#[test]
fn who_never_answers_or_speaks_no_http2_is_not_waited_for() {
    let _turn = turn();
    let silent = receiver([Manner::Sleeps]);
    let other =
        crate::receiver::receiver([crate::receiver::Manner::Says(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())]);
    for address in [silent.address, other.address] {
        let exporter = Otlp::grpc(format!("http://{address}")).timeout(Duration::from_millis(300));
        let tracing = set_up(exporter.build().unwrap());
        calls(3);
        assert!(matches!(tracing.flush(), Err(ExportError::Kept { waiting: 3, .. })));
        let begun = Instant::now();
        assert!(matches!(
            tracing.shutdown(Duration::from_secs(1)),
            Err(ExportError::Failed { spans: 3, .. })
        ));
        assert!(begun.elapsed() < Duration::from_secs(4));
        assert_counts(tracing.stats(), 0, 3, 0);
    }
}

#[test]
fn it_runs_in_any_runtime_and_without_one_and_under_the_sdk() {
    use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor};
    use traced::opentelemetry::KeyValue;
    use traced::opentelemetry::trace::{Span, Tracer, TracerProvider};

    let _turn = turn();
    let under = |address| {
        let exporter = otlp(address).build().unwrap();
        let provider =
            SdkTracerProvider::builder().with_span_processor(SimpleSpanProcessor::new(exporter)).build();
        provider.tracer("sdk").start("one").set_attribute(KeyValue::new("number", 1));
        provider.shutdown().unwrap();
    };
    let receiver = receiver([takes()]);
    let address = receiver.address;
    under(address);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { under(address) });
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    many.block_on(async move { tokio::spawn(async move { under(address) }).await.unwrap() });
    assert_eq!(receiver.calls.try_iter().count(), 3);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tracing = set_up(otlp(address).build().unwrap());
        calls(3);
        tracing.flush().unwrap();
        drop(tracing);
    });
    assert_eq!(receiver.calls.recv_timeout(LONG).unwrap().numbers, [0, 1, 2]);
}

//! The other side of an HTTP call is OpenTelemetry for Python: it reads what is injected here, and what it injects is
//! read here, in every format that both know.

use std::collections::HashMap;
use std::net::TcpListener;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use traced::opentelemetry;
use traced::testing::capture;
use traced::{Parent, traced};

use crate::child::said_by;
use crate::http::{Headers, escaped, get, serve, unescaped};
use crate::receiver::{quoted, receivers, same};

/// What a format can carry beside ids and sampling.
struct Format {
    /// As `OTEL_PROPAGATORS` says it, here and there.
    name: &'static str,
    /// Whether there is a trace state for the other side to read, and for this one.
    state: (bool, bool),
    baggage: Baggage,
}

/// Whose headers carry the baggage.
#[derive(PartialEq)]
enum Baggage {
    Nobodys,
    W3c,
    /// A header for each member, which is not written where it would be empty.
    Jaegers,
}

use Baggage::{Jaegers, Nobodys, W3c};

const FORMATS: [Format; 7] = [
    Format { name: "tracecontext,baggage", state: (true, true), baggage: W3c },
    Format { name: "tracecontext", state: (true, true), baggage: Nobodys },
    Format { name: "b3", state: (false, false), baggage: Nobodys },
    Format { name: "b3multi", state: (false, false), baggage: Nobodys },
    Format { name: "jaeger", state: (false, false), baggage: Jaegers },
    Format { name: "jaeger,tracecontext", state: (true, false), baggage: Jaegers },
    // Here the first that is found decides, there the last.
    Format { name: "tracecontext,b3multi,b3,baggage", state: (false, true), baggage: W3c },
];

/// Values as nobody writes them.
const BAGGAGE: [(&str, &str); 6] = [
    ("empty", ""),
    ("key.with-_~", "ok"),
    ("percents", "100%25 of %zz"),
    ("spaces", "a b  c"),
    ("special", "a,b;c=d\"e\\f+g"),
    ("unicode", "Grüße, 世界 🌍"),
];

/// A key as W3C allows it, which Python reads, but would itself write in percents. It reads a `+` in a key as a space.
const ODD: (&str, &str) = ("!#$&'*^`|", "odd");

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "00f067aa0ba902b7";
const STATE: &str = "rojo=00f067aa0ba902b7,congo@x=t61rcWkgMzE";

#[test]
fn w3c_trace_context_and_baggage_go_both_ways() {
    go_both_ways("tracecontext,baggage");
}

#[test]
fn w3c_trace_context_goes_both_ways_without_baggage() {
    go_both_ways("tracecontext");
}

#[test]
fn b3_goes_both_ways_in_one_header() {
    go_both_ways("b3");
}

#[test]
fn b3_goes_both_ways_in_many_headers() {
    go_both_ways("b3multi");
}

#[test]
fn jaeger_goes_both_ways_with_its_baggage() {
    go_both_ways("jaeger");
}

#[test]
fn jaeger_goes_both_ways_beside_w3c() {
    go_both_ways("jaeger,tracecontext");
}

#[test]
fn several_formats_go_both_ways_at_once() {
    go_both_ways("tracecontext,b3multi,b3,baggage");
}

fn go_both_ways(format: &str) {
    let Some(_) = receivers(["PEER"]) else { return };
    let variables = [("OTEL_TRACES_EXPORTER", "none".to_owned()), ("OTEL_PROPAGATORS", format.to_owned())];
    let said = said_by("propagation", &variables);
    assert!(said.contains("both ways: 4 calls\n"), "{said}");
}

/// What neither side would write: where this one finds a parent, the other finds the same one.
#[test]
fn nothing_is_read_out_of_spoiled_headers_that_python_would_not_read() {
    let Some(_) = receivers(["PEER"]) else { return };
    for name in ["tracecontext", "b3", "b3multi", "jaeger"] {
        let variables = [("OTEL_TRACES_EXPORTER", "none".to_owned()), ("OTEL_PROPAGATORS", name.to_owned())];
        said_by("spoiled", &variables);
    }
}

pub(crate) fn spoiled() {
    let _tracing = traced::init("spoiled").unwrap();
    let name = std::env::var("OTEL_PROPAGATORS").unwrap();
    let [peer] = receivers(["PEER"]).unwrap();
    let (status, cases) = get(&peer, &format!("/spoiled?format={name}&seed=7&count=2000"), &[]);
    assert_eq!(status, 200, "{cases}");
    let (mut read, mut refused) = (0, 0);
    for case in cases.split_terminator("\n\n") {
        let mut lines = case.lines().rev();
        let theirs = lines.next().unwrap();
        let headers: Vec<_> = lines.rev().map(header).collect();
        let parent = traced::extract(&headers);
        let span = parent.span_context();
        if span.is_valid() {
            // Where B3 leaves the decision to whoever receives it, Python has decided.
            let sampled = if span.is_sampled() || parent.is_deferred() { "True" } else { "False" };
            let ours = format!("reads True {} {} {sampled}", span.trace_id(), span.span_id());
            assert_eq!(ours, theirs, "{name}: {headers:?}");
            read += 1;
        } else {
            refused += 1;
        }
    }
    assert!(read > 100 && refused > 100, "{name}: {read} read, {refused} refused");
}

fn header(line: &str) -> (String, String) {
    let (name, value) = line.split_once(' ').unwrap();
    (name.to_owned(), unescaped(value))
}

// -------------------------------------------------------------------------------------------------------- the service

/// A service that calls the other side and is called by it, sampled and not.
pub(crate) fn both_ways() {
    let _tracing = traced::builder("propagation").read_environment().install().unwrap();
    let name = std::env::var("OTEL_PROPAGATORS").unwrap();
    let format = FORMATS.iter().find(|format| format.name == name).unwrap();
    let [peer] = receivers(["PEER"]).unwrap();
    for is_sampled in [true, false] {
        from_here(&peer, format, is_sampled);
        from_there(&peer, format, is_sampled);
    }
    eprintln!("both ways: 4 calls");
}

fn span_context(is_sampled: bool) -> SpanContext {
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let state =
        TraceState::from_key_value([("rojo", "00f067aa0ba902b7"), ("congo@x", "t61rcWkgMzE")]).unwrap();
    let (trace, span) = (TraceId::from_hex(TRACE).unwrap(), SpanId::from_hex(SPAN).unwrap());
    SpanContext::new(trace, span, flags, true, state)
}

#[traced(kind = client, parent = caller)]
fn call(peer: &str, format: &Format, caller: Context) -> (SpanId, String) {
    let mut headers = Headers::new();
    traced::inject(&mut headers);
    let (status, told) = get(peer, &format!("/extract?format={}", format.name), &headers);
    assert_eq!(status, 200, "{told}");
    (Context::current().span().span_context().span_id(), told)
}

fn from_here(peer: &str, format: &Format, is_sampled: bool) {
    let members = [ODD].into_iter().chain(BAGGAGE).map(|(key, value)| KeyValue::new(key, value));
    let caller = Context::new().with_remote_span_context(span_context(is_sampled)).with_baggage(members);
    let (span, told) = call(peer, format, caller);
    let state = if format.state.0 { STATE } else { "" };
    let mut expected =
        format!("trace {TRACE}\nspan {span}\nsampled {is_sampled}\nremote true\nstate {}\n", quoted(state));
    for (key, value) in [ODD].into_iter().chain(BAGGAGE) {
        if format.baggage == W3c || format.baggage == Jaegers && !value.is_empty() {
            expected += &format!("baggage {} = {}\n", quoted(key), quoted(value));
        }
    }
    same(&told, &expected);
}

#[traced(kind = server, parent = headers)]
fn handle(headers: &Headers) -> Context {
    Context::current()
}

fn from_there(peer: &str, format: &Format, is_sampled: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut path = format!(
        "/call?format={}&to={}&trace={TRACE}&span={SPAN}&sampled={is_sampled}&state={}",
        format.name,
        listener.local_addr().unwrap(),
        escaped(STATE)
    );
    for (key, value) in BAGGAGE {
        path += &format!("&baggage={}", escaped(&format!("{key}={value}")));
    }
    let server = std::thread::spawn(move || {
        let mut received = None;
        serve(&listener, |headers| {
            let parent = traced::extract(&headers);
            let (current, trace) = capture(|| handle(&headers));
            received = Some((parent, current, trace));
            "answered".to_owned()
        });
        received.unwrap()
    });
    let (status, told) = get(peer, &path, &[]);
    assert_eq!((status, told.as_str()), (200, "answered"));
    let (parent, current, trace): (Parent, Context, _) = server.join().unwrap();

    let span = parent.span_context();
    assert_eq!((span.trace_id().to_string(), span.span_id().to_string()), (TRACE.into(), SPAN.into()));
    assert_eq!((span.is_sampled(), span.is_remote(), parent.is_deferred()), (is_sampled, true, false));
    assert_eq!(span.trace_state().header(), if format.state.1 { STATE } else { "" });

    if is_sampled {
        let recorded = trace.span("handle").data();
        assert_eq!(recorded.span_context.trace_id().to_string(), TRACE);
        assert_eq!(recorded.parent_span_id.to_string(), SPAN);
        assert!(recorded.parent_span_is_remote);
    } else {
        assert!(trace.is_empty(), "the caller has decided: {trace}");
    }
    assert_eq!(current.span().span_context().trace_id().to_string(), TRACE);
    assert_eq!(current.span().span_context().is_sampled(), is_sampled);

    let baggage: HashMap<_, _> =
        current.baggage().iter().map(|(key, (value, _))| (key.as_str(), value.as_str().to_owned())).collect();
    let expected = BAGGAGE.iter().filter_map(|(key, value)| match format.baggage {
        Nobodys => None,
        // Python writes a space as a form does, with a `+`; in baggage that is a plus.
        W3c => Some((*key, value.replace(' ', "+"))),
        Jaegers => Some((*key, (*value).to_owned())),
    });
    assert_eq!(baggage, expected.collect::<HashMap<_, _>>());
}

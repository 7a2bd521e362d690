//! What the Zipkin exporter sends is what py-zipkin would write of the same spans.

use crate::child::{SERVICE, said_by, service, told};
use crate::http::get;
use crate::receiver::{quoted, receivers, same};

/// What every span says of its service.
const SERVICES: [(&str, &str); 7] = [
    ("deployment.environment.name", "prüfung"),
    ("service.version", "1.2.3"),
    ("telemetry.sdk.language", "rust"),
    ("telemetry.sdk.name", "opentelemetry"),
    ("telemetry.sdk.version", "0.33.1"),
    ("weight", "0.5"),
    ("zones", r#"["a",""]"#),
];

/// The attributes that have every type, each key once, the last one of it, and as a text.
const EVERYTHING: [(&str, &str); 14] = [
    ("bool", "true"),
    ("bools", "[true,false]"),
    ("error", "es geht nicht: “nein”"),
    ("float", "-Infinity"),
    (
        "floats",
        r#"[0.0,-0.0,1.5,0.1,1.7976931348623157e+308,5.562684646268003e-309,"NaN","Infinity","-Infinity"]"#,
    ),
    ("int", "9007199254740993"),
    ("ints", "[0,-1,9223372036854775807,-9223372036854775808,9007199254740993]"),
    ("none", "[]"),
    ("otel.scope.name", "every field"),
    ("otel.scope.version", "0.9"),
    ("otel.status_code", "ERROR"),
    ("schlüssel \"1\"", "false"),
    ("text", "\u{feff}\u{202e}e\u{301}"),
    (
        "texts",
        "[\"\",\"Grüße, 世界 🌍\",\"a \\\"b\\\" \\\\c\",\"line\\nline\\ttab\\u0000nul\",\"\u{feff}\u{202e}e\u{301}\"]",
    ),
];

fn tags(own: &[(&str, &str)]) -> String {
    let mut tags = [own, &SERVICES].concat();
    tags.sort_by_key(|(key, _)| *key);
    tags.iter().map(|(key, value)| format!("  tag {} = {}\n", quoted(key), quoted(value))).collect()
}

#[test]
fn every_span_is_one_that_py_zipkin_would_write() {
    arrives_whole("zipkin", "TRACING_EXPORTER", "ZIPKIN_ENDPOINT", "");
}

#[test]
fn opentelemetrys_names_say_where_zipkin_is() {
    arrives_whole("zipkin-otel", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "/api/v2/spans");
}

fn arrives_whole(name: &str, exporter: &'static str, endpoint: &'static str, path: &str) {
    let Some([zipkin]) = receivers(["ZIPKIN"]) else { return };
    let service = service(name);
    let said = said_by(
        "every field",
        &[
            (exporter, "zipkin".to_owned()),
            (endpoint, format!("http://{zipkin}{path}")),
            (SERVICE, service.clone()),
        ],
    );
    let (status, spans) = get(&zipkin, &format!("/told?service={service}"), &[]);
    assert_eq!(status, 200, "{spans}");
    let spans: Vec<_> = spans.split_terminator("\n\n").collect();
    assert_eq!(spans.len(), 10, "{spans:#?}");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let id = |name: &str| told(&said, name).to_owned();
    let span = |name: &str| {
        let id = format!(" id={} ", id(name));
        *spans.iter().find(|span| span.contains(&id)).unwrap_or_else(|| panic!("{name} in {spans:#?}"))
    };

    let everything = span("everything");
    let (before, rest) = everything.split_once("  annotation ").unwrap();
    let (annotations, after) = rest.split_once("  tag ").unwrap();
    let (begun, last) = annotations.split_once("\n  annotation ").unwrap();
    same(
        &format!("{before}  tag {after}"),
        &format!(
            "span \"Alles \\u{{1f30d}}\" server\n  trace={trace} id={} parent=0000000000001234\n  from \
             1700000000123456 for 876543\n{}  local \"{service}\"",
            id("everything"),
            tags(&EVERYTHING)
        ),
    );
    // An event with attributes: its name, and JSON.
    assert!(begun.starts_with(r#""\u{22}begun\u{22}:{\u{22}bool\u{22}:true,"#), "{begun}");
    assert!(begun.ends_with(r#",\u{22}none\u{22}:[]}" at 1700000000123456"#), "{begun}");
    assert_eq!(last, "\"\" at 1\n");

    for (n, kind) in ["none", "server", "client", "producer", "consumer"].into_iter().enumerate() {
        let name = format!("kind {n}");
        let mut own = vec![("otel.scope.name", "every field"), ("otel.scope.version", "0.9")];
        if n == 1 {
            own.push(("otel.status_code", "OK"));
        }
        let (id, tags) = (id(&name), tags(&own));
        // A nanosecond, as long as Zipkin can tell.
        let expected = format!(
            "span \"{name}\" {kind}\n  trace={trace} id={id} parent=0000000000001234\n  from 2 for 1\n{tags}  local \
             \"{service}\""
        );
        same(span(&name), &expected);
    }

    for (name, line) in [
        ("order", "  tag \"order.id\" = \"7\""),
        ("order", r#"  tag "note" = "Gr\u{fc}\u{df}e""#),
        ("charge", &format!("  trace={trace} id={} parent={}", id("charge"), id("order"))),
        ("charge", r#"  tag "error" = "the card was \u{201c}declined\u{201d}""#),
        ("charge", r#"  tag "otel.status_code" = "ERROR""#),
        ("look", &format!("  trace={trace} id={} parent={}", id("look"), id("order"))),
        ("look", "  tag \"found\" = \"false\""),
    ] {
        assert!(span(name).lines().any(|found| found == line), "{line} in {}", span(name));
    }
}

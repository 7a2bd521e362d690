//! The exporters that go over the network.

use super::*;

const OTLP: (&str, &str) = ("OTEL_TRACES_EXPORTER", "otlp,console");

const HEADERS: &str =
    "expected `name=value,name=value`, values percent-encoded, and no name that is the exporter's own";

#[test]
fn otlp_is_told_without_its_secrets_and_its_faults_are() {
    assert_eq!(
        told(&[
            OTLP,
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@collector:4318/"),
            ("OTLP_ENDPOINT", "http://elsewhere"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2,x-tenant=blue"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
        ]),
        [
            "service.name: checkout (code)",
            "exporters: otlp, console (OTEL_TRACES_EXPORTER)",
            "otlp, endpoint: http://***@collector:4318/v1/traces (OTEL_EXPORTER_OTLP_ENDPOINT)",
            "otlp, protocol: http/json (OTEL_EXPORTER_OTLP_PROTOCOL)",
            "otlp, timeout: 3s (OTEL_EXPORTER_OTLP_TIMEOUT)",
            "otlp, compression: gzip (OTEL_EXPORTER_OTLP_COMPRESSION)",
            "otlp, headers: authorization, x-tenant (OTEL_EXPORTER_OTLP_HEADERS)",
            "ignored: OTEL_EXPORTER_OTLP_CERTIFICATE: the address has no TLS; it begins with `http://`",
            "ignored: OTEL_EXPORTER_OTLP_INSECURE: gRPC alone asks for it",
            "ignored: OTLP_ENDPOINT: `OTEL_EXPORTER_OTLP_ENDPOINT` wins",
        ]
    );
    for (variable, value, expected) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "expected a URL, like `http://localhost:4318`"),
        ("OTLP_ENDPOINT", "http://", "expected a URL, like `http://localhost:4318`"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "10s",
            "expected milliseconds, a whole number from 1 to 4294967295",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuff", "did you mean `http/protobuf`?"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected `gzip` or `none`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c", HEADERS),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d", HEADERS),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Content-Type=text/plain", HEADERS),
    ] {
        let shown = if variable.ends_with("HEADERS") { "***" } else { value };
        assert_eq!(faults(&[OTLP, (variable, value)]), [format!("`{variable}` is `{shown}`; {expected}")]);
    }
}

#[test]
fn what_is_not_built_in_says_which_feature_brings_it() {
    let grpc = faults(&[OTLP, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    if cfg!(feature = "grpc") {
        assert_eq!(grpc, [""; 0]);
    } else {
        assert!(grpc[0].contains("enable the feature `grpc` of `traced`"), "{grpc:?}");
    }
    let tls = faults(&[OTLP, ("OTLP_ENDPOINT", "https://me:hunter2@collector")]);
    if cfg!(feature = "tls") {
        assert_eq!(tls, [""; 0]);
    } else {
        assert!(
            tls[0].contains("enable the feature `tls` of `traced`") && !tls[0].contains("hunter2"),
            "{tls:?}"
        );
    }
}

#[test]
fn jaeger_is_where_it_takes_otlp_today_and_explains_what_was_meant() {
    let jaeger = ("TRACING_EXPORTER", "jaeger");
    assert_eq!(
        told(&[jaeger, ("JAEGER_ENDPOINT", "http://jaeger:14268/api/traces"), ("OTLP_ENDPOINT", "http://b")]),
        [
            "service.name: checkout (code)",
            "exporters: jaeger (TRACING_EXPORTER)",
            "jaeger, endpoint: http://jaeger:4318/v1/traces (JAEGER_ENDPOINT)",
            "ignored: JAEGER_ENDPOINT: port 14268 was for Thrift; Jaeger takes OTLP, and spans go to \
             `http://jaeger:4318/v1/traces`",
            "ignored: OTLP_ENDPOINT: there is no exporter `otlp`",
        ]
    );
    assert_eq!(
        told(&[
            jaeger,
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "agent"),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "6831"),
            ("OTEL_EXPORTER_JAEGER_TIMEOUT", "500"),
        ]),
        [
            "service.name: checkout (code)",
            "exporters: jaeger (TRACING_EXPORTER)",
            "jaeger, endpoint: http://agent:4318/v1/traces (OTEL_EXPORTER_JAEGER_AGENT_HOST)",
            "jaeger, timeout: 500ms (OTEL_EXPORTER_JAEGER_TIMEOUT)",
            "ignored: OTEL_EXPORTER_JAEGER_AGENT_HOST: UDP was the agent's, for Thrift; Jaeger takes OTLP, and spans \
             go to `http://agent:4318/v1/traces`",
            "ignored: OTEL_EXPORTER_JAEGER_AGENT_PORT: Jaeger's agent is gone; Jaeger takes OTLP, on port 4318",
        ]
    );
    assert_eq!(
        faults(&[jaeger, ("JAEGER_ENDPOINT", "http://a b")]),
        ["`JAEGER_ENDPOINT` is `http://a b`; expected a URL, like `http://localhost:4318`"]
    );
}

#[test]
fn zipkin_has_its_own_place_and_the_standard_name_wins() {
    let zipkin = ("OTEL_TRACES_EXPORTER", "zipkin");
    assert_eq!(
        told(&[
            zipkin,
            ("ZIPKIN_ENDPOINT", "http://other:9411"),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://zipkin:9411"),
            ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "250"),
        ]),
        [
            "service.name: checkout (code)",
            "exporters: zipkin (OTEL_TRACES_EXPORTER)",
            "zipkin, endpoint: http://zipkin:9411/api/v2/spans (OTEL_EXPORTER_ZIPKIN_ENDPOINT)",
            "zipkin, timeout: 250ms (OTEL_EXPORTER_ZIPKIN_TIMEOUT)",
            "ignored: ZIPKIN_ENDPOINT: `OTEL_EXPORTER_ZIPKIN_ENDPOINT` wins",
        ]
    );
    assert_eq!(
        faults(&[zipkin, ("ZIPKIN_ENDPOINT", "zipkin:9411")]),
        ["`ZIPKIN_ENDPOINT` is `zipkin:9411`; expected a URL, like `http://localhost:4318`"]
    );
}

#[test]
fn each_protocol_has_its_default_place() {
    let places: &[_] = &[
        ("http/protobuf", "otlp, endpoint: http://localhost:4318/v1/traces (default)"),
        ("http/json", "otlp, endpoint: http://localhost:4318/v1/traces (default)"),
        #[cfg(feature = "grpc")]
        ("grpc", "otlp, endpoint: http://localhost:4317 (default)"),
    ];
    for (protocol, expected) in places {
        let builder =
            in_an_environment(builder("checkout"), &[OTLP, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)]);
        let text = explained(builder);
        assert!(text.contains(expected), "{text}");
    }
}

#[cfg(feature = "grpc")]
#[test]
fn an_address_without_a_scheme_is_encrypted_unless_it_is_said_to_be_insecure() {
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let place = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    let plain = told(&[OTLP, grpc, place, ("OTEL_EXPORTER_OTLP_INSECURE", "true")]);
    let expected = "otlp, endpoint: http://collector:4317 (OTEL_EXPORTER_OTLP_ENDPOINT)".to_owned();
    assert!(plain.contains(&expected), "{plain:?}");
    if cfg!(feature = "tls") {
        let encrypted = told(&[OTLP, grpc, place]);
        let expected = "otlp, endpoint: https://collector:4317 (OTEL_EXPORTER_OTLP_ENDPOINT)".to_owned();
        assert!(encrypted.contains(&expected), "{encrypted:?}");
    } else {
        let [fault] = faults(&[OTLP, grpc, place]).try_into().unwrap();
        assert!(fault.contains("no TLS is built in"), "{fault}");
    }
    let said = told(&[
        OTLP,
        grpc,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "false"),
    ]);
    let expected = "ignored: OTEL_EXPORTER_OTLP_INSECURE: the address says whether there is TLS".to_owned();
    assert!(said.contains(&expected), "{said:?}");
}

#[cfg(feature = "tls")]
#[test]
fn certificates_are_judged_at_the_start() {
    let place = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318");
    let empty = std::env::temp_dir().join(format!("traced-no-certificate-{}", std::process::id()));
    std::fs::write(&empty, "nothing").unwrap();
    let empty = empty.to_str().unwrap();
    for (variable, value, expected) in [
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/nowhere/ca.pem",
            "the file cannot be read: No such file or directory",
        ),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", empty, "the file has no certificate; expected PEM"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", empty, "the file has no certificate; expected PEM"),
        (
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            empty,
            "expected its certificate in `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`",
        ),
    ] {
        let [fault] = faults(&[OTLP, place, (variable, value)]).try_into().unwrap();
        assert!(fault.starts_with(&format!("`{variable}` is `{value}`; {expected}")), "{fault}");
    }
    std::fs::remove_file(empty).unwrap();
}

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
            "jaeger, protocol: http/protobuf (JAEGER_ENDPOINT)",
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
            "jaeger, protocol: http/protobuf (OTEL_EXPORTER_JAEGER_AGENT_HOST)",
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
    for (value, expected) in [
        ("zipkin:9411", "expected a URL, like `http://localhost:9411/api/v2/spans`"),
        (
            "http://zipkin:99999",
            "the port is wrong; expected 1 to 65535, as in `http://localhost:9411/api/v2/spans`",
        ),
        (
            "http://zipkin:9411/api/v1/spans/",
            "`/api/v1/spans` takes version 1 of its format; expected `/api/v2/spans`",
        ),
    ] {
        let told = format!("`ZIPKIN_ENDPOINT` is `{value}`; {expected}");
        assert_eq!(faults(&[zipkin, ("ZIPKIN_ENDPOINT", value)]), [told]);
    }
    let queried = told(&[zipkin, ("ZIPKIN_ENDPOINT", "HTTP://zipkin:9411?tenant=hunter2")]);
    let expected = "zipkin, endpoint: http://zipkin:9411/api/v2/spans?*** (ZIPKIN_ENDPOINT)".to_owned();
    assert!(queried.contains(&expected), "{queried:?}");
}

#[test]
fn traces_have_their_place_below_that_of_all_signals() {
    for (variable, value, expected) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h/otlp?tenant=a", "http://h/otlp/v1/traces?***"),
        ("OTLP_ENDPOINT", "HTTP://h:4318?tenant=a", "http://h:4318/v1/traces?***"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h/otlp?tenant=a", "http://h/otlp?***"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h/v1/traces", "http://h/v1/traces"),
    ] {
        let told = told(&[OTLP, (variable, value)]);
        assert_eq!(told[2..], [format!("otlp, endpoint: {expected} ({variable})")], "{value}");
    }
    assert_eq!(
        told(&[OTLP, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318/v1/traces")])[2..],
        [
            "otlp, endpoint: http://h:4318/v1/traces (OTEL_EXPORTER_OTLP_ENDPOINT)",
            "ignored: OTEL_EXPORTER_OTLP_ENDPOINT: its path alone: it is that of traces already, and `/v1/traces` is \
             not added to `http://h:4318/v1/traces`",
        ]
    );
    for (value, expected) in [
        ("http://h:99999", "the port is wrong; expected 1 to 65535, as in `http://localhost:4318`"),
        ("http://h/#a", "what stands behind a `#` is sent to nobody; expected a URL without it, or `%23`"),
    ] {
        assert_eq!(
            faults(&[OTLP, ("OTLP_ENDPOINT", value)]),
            [format!("`OTLP_ENDPOINT` is `{value}`; {expected}")]
        );
    }
}

#[test]
fn port_4317_is_for_grpc_unless_someone_says_otherwise() {
    let place = ("OTLP_ENDPOINT", "http://h:4317");
    if cfg!(feature = "grpc") {
        assert_eq!(
            told(&[OTLP, place])[2..],
            [
                "otlp, endpoint: http://h:4317 (OTLP_ENDPOINT)",
                "otlp, protocol: grpc, as port 4317 is for it (OTLP_ENDPOINT)",
            ]
        );
    } else {
        let [fault] = faults(&[OTLP, place]).try_into().unwrap();
        assert!(
            fault.contains("port 4317 is for gRPC; expected port 4318, or the feature `grpc`"),
            "{fault}"
        );
    }
    assert_eq!(
        told(&[OTLP, place, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")])[2..],
        [
            "otlp, endpoint: http://h:4317/v1/traces (OTLP_ENDPOINT)",
            "otlp, protocol: http/protobuf (OTEL_EXPORTER_OTLP_PROTOCOL)",
        ]
    );
}

#[cfg(feature = "grpc")]
#[test]
fn grpc_has_a_path_of_its_own() {
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert_eq!(
        told(&[OTLP, grpc, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4317/v1/traces")])[2..],
        [
            "otlp, endpoint: http://h:4317 (OTEL_EXPORTER_OTLP_ENDPOINT)",
            "otlp, protocol: grpc (OTEL_EXPORTER_OTLP_PROTOCOL)",
            "ignored: OTEL_EXPORTER_OTLP_ENDPOINT: its path alone: gRPC has its own, and spans go to `http://h:4317`",
        ]
    );
}

#[test]
fn a_proxy_is_not_asked_and_that_is_told() {
    let proxies = [("https_proxy", "http://proxy"), ("HTTPS_PROXY", "http://proxy"), ("all_proxy", "x")];
    let why = "spans go to their receiver directly, and through no proxy";
    assert_eq!(
        told(&[&[("OTEL_TRACES_EXPORTER", "zipkin")], &proxies[..]].concat())[2..],
        [format!("ignored: HTTPS_PROXY: {why}"), format!("ignored: all_proxy: {why}")]
    );
    let console = told(&proxies);
    assert_eq!(console, ["service.name: checkout (code)"]);
}

#[test]
fn whoever_names_an_exporter_the_same_is_told_of_it() {
    use std::time::Duration;

    use crate::otlp::Otlp;
    use crate::zipkin::Zipkin;

    let first = Otlp::http("http://me:hunter2@a:4318").json().gzip().header("x-tenant", "hunter3").build();
    let second = Otlp::http("http://b:4318?key=hunter4").timeout(Duration::from_secs(10)).build();
    let observer = Otlp::jaeger("old:6831").build();
    let zipkin = Zipkin::new("http://z:9411").build();
    let in_code = builder("checkout")
        .exporter(first.unwrap())
        .exporter(zipkin.unwrap())
        .exporter(second.unwrap())
        .exporter(Console::new())
        .observer(Otlp::http("http://c:4318").build().unwrap())
        .observer(observer.unwrap());
    let text = explained(in_code);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| {
            ["otlp", "zipkin", "jaeger", "exporters", "observers"].iter().any(|it| line.starts_with(it))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "exporters: otlp, zipkin, otlp 2, console (code)",
            "otlp, endpoint: http://***@a:4318/v1/traces (code)",
            "otlp, protocol: http/json (code)",
            "otlp, timeout: 10s (default)",
            "otlp, compression: gzip (code)",
            "otlp, headers: x-tenant (code)",
            "zipkin, endpoint: http://z:9411/api/v2/spans (code)",
            "zipkin, timeout: 10s (default)",
            "zipkin, compression: none (default)",
            "zipkin, headers: none (default)",
            "otlp 2, endpoint: http://b:4318/v1/traces?*** (code)",
            "otlp 2, protocol: http/protobuf (code)",
            "otlp 2, timeout: 10s (code)",
            "otlp 2, compression: none (default)",
            "otlp 2, headers: none (default)",
            "observers: otlp 3, jaeger (code)",
            "otlp 3, endpoint: http://c:4318/v1/traces (code)",
            "otlp 3, protocol: http/protobuf (code)",
            "otlp 3, timeout: 10s (default)",
            "otlp 3, compression: none (default)",
            "otlp 3, headers: none (default)",
            "jaeger, endpoint: http://old:4318/v1/traces (code)",
            "jaeger, protocol: http/protobuf (code)",
            "jaeger, timeout: 10s (default)",
            "jaeger, compression: none (default)",
            "jaeger, headers: none (default)",
        ]
    );
}

#[test]
fn what_the_environment_said_of_exporters_that_code_replaces_was_said_in_vain() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318");
    let replaced = in_an_environment(builder("checkout"), &[OTLP, endpoint]).exporter(Console::new());
    let why = "the program says otherwise, after it read the environment";
    assert_eq!(
        said(replaced)[1..],
        [
            "exporters: console (code)".to_owned(),
            format!("ignored: OTEL_EXPORTER_OTLP_ENDPOINT: {why}"),
            format!("ignored: OTEL_TRACES_EXPORTER: {why}"),
        ]
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
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", empty, "the certificate in it is none; expected PEM"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", empty, "the certificate in it is none; expected PEM"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", empty, "the private key in it is none; expected PEM"),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/var/run/secrets/otel/ca.crt",
            "the file cannot be read: No such file or directory",
        ),
    ] {
        let [fault] = faults(&[OTLP, place, (variable, value)]).try_into().unwrap();
        assert!(fault.starts_with(&format!("`{variable}` is `{value}`; {expected}")), "{fault}");
    }
    std::fs::remove_file(empty).unwrap();

    for variable in ["OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CERTIFICATE"] {
        let pasted = "-----BEGIN PRIVATE KEY-----\nMIhunter/2.";
        let [fault] = faults(&[OTLP, place, (variable, pasted)]).try_into().unwrap();
        assert_eq!(
            fault,
            format!("`{variable}` is `***`; expected the path of a file, and not what stands in it")
        );
    }
    let pasted = ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "MIhunter/2.");
    let [fault] = faults(&[OTLP, place, pasted]).try_into().unwrap();
    assert!(!fault.contains("hunter"), "{fault}");
}

#[cfg(feature = "tls")]
#[test]
fn a_key_that_does_not_fit_its_certificate_is_told_by_its_name() {
    use rcgen::{CertificateParams, KeyPair};

    let pair = || {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["shop".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let file = |name: &str, text: &str| {
        let path = std::env::temp_dir().join(format!("traced-{}-secret-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ((certificate, key), (_, other)) = (pair(), pair());
    let (certificate, key, other) = (file("chain", &certificate), file("key", &key), file("other", &other));
    let place = ("OTLP_ENDPOINT", "https://collector:4318");
    let chain = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.as_str());
    let trusts = ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate.as_str());
    let fits = |key: &str| {
        let variables = [OTLP, place, trusts, chain, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)];
        in_an_environment(builder("checkout"), &variables)
    };
    let [fault] = fits(&other).faults.try_into().unwrap();
    assert_eq!((fault.variable, &fault.value), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &other));
    assert!(
        fault.reason.starts_with("the certificate of this client cannot be used with its key"),
        "{fault}"
    );
    let told = said(fits(&key));
    let expected = format!("otlp, client certificate: {certificate} (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)");
    assert!(told.contains(&expected), "{told:?}");
    let [fault] = faults(&[OTLP, place, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key)]).try_into().unwrap();
    assert!(fault.contains("expected its certificate in `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`"), "{fault}");
    for path in [certificate, key, other] {
        std::fs::remove_file(path).unwrap();
    }
}

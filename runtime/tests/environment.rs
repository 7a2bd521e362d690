//! What variables of the environment do, in processes that are started with them.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::{TraceContextExt, Tracer};
use opentelemetry::{Context, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use traced::{opentelemetry, traced};

const ROLE: &str = "TRACED_TEST_ROLE";

/// What the process `role` says on stderr, started with nothing but these variables.
fn said_by(role: &str, variables: &[(&str, &str)]) -> String {
    let kept = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SystemRoot"];
    let kept = kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["the_process_that_is_started", "--exact", "--nocapture"])
        .env_clear()
        .envs(kept)
        .env(ROLE, role)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// What every role is played by; in the process of the tests it does nothing.
#[test]
fn the_process_that_is_started() {
    match std::env::var(ROLE).as_deref() {
        Ok("init") => init(),
        #[cfg(feature = "otlp")]
        Ok("init in a runtime") => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { init() });
        }
        Ok("passes") => passes(),
        Ok("kept") => kept(|builder| builder.read_environment()),
        Ok("in code") => kept(|builder| builder),
        Ok("batches") => batches(),
        Ok("waits") => waits(),
        Ok("full") => full(),
        Ok("in trouble") => in_trouble(),
        _ => {}
    }
}

#[traced(attr(first = evaluated(), second = "a long text", third = 3))]
fn order() {
    traced::event!("one", a = 1, b = 2);
    traced::event!("two");
    item();
}

#[traced]
fn item() {}

#[traced(parent = headers)]
fn handle(headers: &[(&str, &str); 1]) {
    item();
}

fn evaluated() -> i64 {
    eprintln!("evaluated");
    1
}

/// As a service would.
fn init() {
    let tracing = match traced::init("checkout") {
        Ok(tracing) => tracing,
        Err(error) => return eprintln!("error: {error}"),
    };
    order();
    global::tracer("other").in_span("by other code", |cx| {
        eprintln!("other code has a span: {}", cx.span().span_context().is_valid());
    });
    let mut sent = Vec::new();
    let caller = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    traced::inject_context(&Context::from(traced::extract(&caller)), &mut sent);
    sent.sort();
    eprintln!("sent on: {:?}", sent.iter().map(|(name, _): &(String, String)| name).collect::<Vec<_>>());
    eprintln!("flushed: {:?}", tracing.flush());
    eprintln!("{:?}", tracing.stats());
    eprint!("{}", tracing.explain());
    eprintln!("shut down: {:?}", tracing.shutdown(Duration::from_secs(5)));
}

#[traced(parent = headers, attr(n = evaluated()))]
fn serve(headers: &[(&str, &str); 2]) -> Vec<(String, String)> {
    item();
    let mut sent = Vec::new();
    traced::inject(&mut sent);
    sent
}

/// What a caller sends, on its way through a service.
fn passes() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let caller = [("traceparent", trace), ("baggage", "tenant=blue")];
    eprintln!("before: {:?}", serve(&caller));
    let tracing = traced::init("checkout").unwrap();
    let passed = serve(&caller);
    eprintln!(
        "meanwhile: {}",
        caller.iter().all(|(name, value)| passed.contains(&(name.to_string(), value.to_string())))
    );
    eprintln!("{:?}", tracing.stats());
    tracing.shutdown(Duration::from_secs(5)).unwrap();
    eprintln!("afterwards: {:?}", serve(&caller));
}

/// Tells what it gets.
#[derive(Debug, Clone, Default)]
struct Exporter {
    batches: Arc<Mutex<Vec<usize>>>,
    pause: Duration,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        std::thread::sleep(self.pause);
        self.batches.lock().unwrap().push(batch.len());
        if self.pause.is_zero() {
            for span in batch {
                let attributes = span.attributes.iter().map(|item| format!("{}={}", item.key, item.value));
                let events =
                    span.events.iter().map(|event| format!("{}/{}", event.name, event.attributes.len()));
                eprintln!(
                    "span {} [{}] {} dropped; [{}] {} dropped",
                    span.name,
                    attributes.collect::<Vec<_>>().join(" "),
                    span.dropped_attributes_count,
                    events.collect::<Vec<_>>().join(" "),
                    span.events.dropped_count
                );
            }
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        let mut all: Vec<_> = resource.iter().map(|(key, value)| format!("resource {key}={value}")).collect();
        all.sort();
        eprintln!("{}", all.join("\n"));
    }
}

fn kept(environment: impl FnOnce(traced::Builder) -> traced::Builder) {
    let builder = traced::builder("checkout").version("1").code_attributes(false);
    let tracing = environment(builder).exporter(Exporter::default()).install().unwrap();
    order();
    handle(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]);
    handle(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]);
    drop(tracing);
    // The end of it, so that what is missing is missing.
    eprintln!("done");
}

fn batches() {
    let exporter = Exporter::default();
    let tracing =
        traced::builder("checkout").read_environment().exporter(exporter.clone()).install().unwrap();
    (0..10).for_each(|_| item());
    tracing.flush().unwrap();
    let batches = exporter.batches.lock().unwrap();
    eprintln!("{} in batches of {} at most", batches.iter().sum::<usize>(), batches.iter().max().unwrap());
}

fn waits() {
    let exporter = Exporter::default();
    let tracing =
        traced::builder("checkout").read_environment().exporter(exporter.clone()).install().unwrap();
    item();
    std::thread::sleep(Duration::from_secs(1));
    eprintln!("after a second: {}", exporter.batches.lock().unwrap().len());
    tracing.flush().unwrap();
    eprintln!("after a flush: {}", exporter.batches.lock().unwrap().len());
}

fn full() {
    let exporter = Exporter { pause: Duration::from_millis(30), ..Exporter::default() };
    let tracing = traced::builder("checkout").read_environment().exporter(exporter).install().unwrap();
    (0..1_000).for_each(|_| item());
    tracing.flush().unwrap();
    let stats = tracing.stats();
    assert_eq!(stats.exported + stats.dropped.total(), 1_000);
    eprintln!("something was dropped: {}", stats.dropped.queue_full > 0);
}

/// Leaves one span open, and loses another.
fn in_trouble() {
    #[derive(Debug)]
    struct Refuses;
    impl SpanExporter for Refuses {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure("refused".into()))
        }
    }
    let tracing = traced::builder("checkout").read_environment().exporter(Refuses).install().unwrap();
    let open = traced::span!("open").enter();
    item();
    assert!(tracing.flush().is_err());
    drop(tracing);
    drop(open);
}

fn lines<'a>(said: &'a str, start: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.starts_with(start)).collect()
}

#[track_caller]
fn assert_says(said: &str, expected: &[&str]) {
    for expected in expected {
        assert!(said.contains(expected), "no {expected:?} in\n{said}");
    }
}

#[test]
fn without_variables_init_prints_on_the_console() {
    let said = said_by("init", &[]);
    assert_says(
        &said,
        &[
            "└─ item",
            "checkout",
            "other code has a span: true",
            r#"sent on: ["traceparent"]"#,
            "exported: 3,",
            "service.name: checkout (code)",
            "exporters: console (default)",
            "shut down: Ok(())",
        ],
    );
    assert!(!said.contains("ignored:"), "{said}");
}

#[test]
fn switched_off_nothing_is_made_or_evaluated_and_what_passes_through_is_passed_on() {
    for variable in [("OTEL_SDK_DISABLED", "True"), ("ENABLE_TRACING", "false")] {
        // What is wrong with the rest must not keep the switch from working.
        let said = said_by(
            "init",
            &[variable, ("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_PROPAGATORS", "tracecontext,b3")],
        );
        assert!(!said.contains("evaluated") && !said.contains("└─"), "{said}");
        assert_says(
            &said,
            &[
                "other code has a span: false",
                r#"sent on: ["b3", "traceparent"]"#,
                "flushed: Ok(())",
                "started: 0,",
                &format!("tracing: off ({})\n", variable.0),
                "propagators: tracecontext, b3 (OTEL_PROPAGATORS)\n",
                &format!("ignored: OTEL_TRACES_EXPORTER: `{}` switches tracing off\n", variable.0),
                "shut down: Ok(())",
            ],
        );
    }
    let said = said_by("init", &[("OTEL_SDK_DISABLED", "false"), ("ENABLE_TRACING", "false")]);
    assert_says(
        &said,
        &[
            "exported: 3,",
            "tracing: on (OTEL_SDK_DISABLED)\n",
            "ignored: ENABLE_TRACING: `OTEL_SDK_DISABLED` wins\n",
        ],
    );
}

#[test]
fn switched_off_a_service_passes_on_what_its_callers_send() {
    for variable in [("OTEL_SDK_DISABLED", "true"), ("ENABLE_TRACING", "false")] {
        let said = said_by("passes", &[variable]);
        assert!(!said.contains("evaluated"), "{said}");
        assert_says(&said, &["before: []", "meanwhile: true", "started: 0,", "afterwards: []"]);
    }
    let said = said_by("passes", &[("OTEL_TRACES_EXPORTER", "none")]);
    assert_says(&said, &["before: []", "meanwhile: false", "started: 2,", "afterwards: []"]);
}

#[test]
fn the_exporter_none_prints_nothing_and_the_counts_add_up() {
    let said = said_by("init", &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_PROPAGATORS", "none")]);
    assert!(!said.contains("└─"), "{said}");
    assert_says(
        &said,
        &[
            "evaluated",
            "other code has a span: true",
            "sent on: []",
            "flushed: Ok(())",
            "started: 3, open: 0, waiting: 0, exported: 0,",
            "no_exporter: 3",
            "exporters: none (OTEL_TRACES_EXPORTER)\n",
            "shut down: Ok(())",
        ],
    );
}

#[test]
fn wrong_values_keep_the_set_up_from_being_made() {
    let said = said_by("init", &[("OTEL_TRACES_SAMPLER", "alwayson"), ("TRACING_EXPORTER", "zipkn")]);
    assert_says(
        &said,
        &[
            "error: the environment says what cannot be done:\n    `TRACING_EXPORTER` is `zipkn`; `zipkn` is not known; did you mean `zipkin`?",
            "\n    `OTEL_TRACES_SAMPLER` is `alwayson`; did you mean `always_on`?\n",
        ],
    );
}

#[test]
fn what_is_said_on_stderr_is_as_much_as_the_level_says() {
    let said = |level: &str| {
        let said = said_by("in trouble", &[("OTEL_LOG_LEVEL", level)]);
        ["set up\n", "queue, spans: 65536", "span still open", "spans were not exported: "]
            .map(|text| said.contains(text))
    };
    for (level, expected) in [
        ("none", [false; 4]),
        ("Error", [false, false, false, true]),
        ("warn", [false, false, true, true]),
        ("", [false, false, true, true]),
        ("info", [false, false, true, true]),
        ("DEBUG", [true; 4]),
        ("verbose", [true; 4]),
    ] {
        assert_eq!(said(level), expected, "{level}");
    }
    let said = said_by("init", &[("ENABLE_TRACING", "false"), ("OTEL_LOG_LEVEL", "debug")]);
    assert_says(&said, &["traced: set up\ntracing: off (ENABLE_TRACING)\n"]);
    let said = said_by("init", &[("OTEL_LOG_LEVEL", "chatty")]);
    assert_says(
        &said,
        &["`OTEL_LOG_LEVEL` is `chatty`; expected one of `none`, `error`, `warn`, `info`, `debug`"],
    );
}

#[test]
fn what_is_said_of_exceptions_and_cannot_be_done_is_told() {
    const OPT_IN: &str = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN";
    let said = said_by("init", &[(OPT_IN, "logs/dup")]);
    assert_says(
        &said,
        &[
            "traced: OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN asks for logs, but there is no logger provider",
            "exceptions: span events (default)\n",
            "ignored: OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN: there is no logger provider",
        ],
    );
    let said = said_by("init", &[(OPT_IN, "database")]);
    assert_says(
        &said,
        &["ignored: OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN: it has neither `logs` nor `logs/dup`\n"],
    );
    let said = said_by("init", &[(OPT_IN, "database,LOGS")]);
    assert_says(&said, &["error: ", "`database,LOGS`; `LOGS` is not known; expected `logs` or `logs/dup`"]);
}

#[test]
fn names_and_attributes_of_the_service_reach_the_exporter() {
    let variables = [
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,service.version=2, region = eu%2C west"),
    ];
    let own = |said: &str| {
        lines(said, "resource ")
            .into_iter()
            .filter(|line| !line.contains("telemetry.sdk"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let said = said_by("kept", &variables);
    assert_eq!(
        own(&said),
        ["resource region=eu, west", "resource service.name=shop", "resource service.version=2"]
    );
    assert_eq!(lines(&said, "resource telemetry.sdk.language=rust").len(), 1);
    let said = said_by("in code", &variables);
    assert_eq!(
        own(&said),
        ["resource service.name=checkout", "resource service.version=1"],
        "code alone asks nobody"
    );
}

#[test]
fn samplers_decide_on_roots_and_below_parents() {
    let all = ["handle", "handle", "item", "item", "item", "order"];
    let of_the_sampled_parent = ["handle", "item"];
    for (variables, expected) in [
        (&[][..], &["handle", "item", "item", "order"][..]),
        (&[("OTEL_TRACES_SAMPLER", "always_on")], &all),
        (&[("OTEL_TRACES_SAMPLER", "always_off")], &[]),
        (&[("OTEL_TRACES_SAMPLER", "parentbased_always_on")], &["handle", "item", "item", "order"]),
        (&[("OTEL_TRACES_SAMPLER", "parentbased_always_off")], &of_the_sampled_parent),
        (&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")], &[]),
        (&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1")], &all),
        (
            &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.0")],
            &of_the_sampled_parent,
        ),
        (&[("TRACING_SAMPLE_RATE", "0")], &of_the_sampled_parent),
        (&[("TRACING_SAMPLE_RATE", "0"), ("OTEL_TRACES_SAMPLER", "always_on")], &all),
    ] {
        let said = said_by("kept", variables);
        let mut names: Vec<_> =
            lines(&said, "span ").iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        names.sort();
        assert_eq!(names, expected, "{variables:?}");
        assert_says(&said, &["done"]);
    }
}

#[test]
fn limits_are_kept() {
    let order = |variables: &[_]| lines(&said_by("kept", variables), "span order").concat();
    assert_eq!(
        order(&[]),
        "span order [first=1 second=a long text third=3] 0 dropped; [one/2 two/0] 0 dropped"
    );
    assert_eq!(
        order(&[
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6"),
        ]),
        "span order [first=1 second=a long] 1 dropped; [one/1] 1 dropped"
    );
    assert_eq!(
        order(&[("OTEL_ATTRIBUTE_COUNT_LIMIT", "1"), ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0")]),
        "span order [first=1] 2 dropped; [] 2 dropped"
    );
}

#[test]
fn batches_delay_and_queue_are_as_told() {
    let said = said_by("batches", &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3")]);
    assert_says(&said, &["10 in batches of 3 at most"]);
    assert_says(&said_by("batches", &[]), &["10 in batches of 10 at most"]);

    let said = said_by("waits", &[("OTEL_BSP_SCHEDULE_DELAY", "60000")]);
    assert_says(&said, &["after a second: 0", "after a flush: 1"]);
    assert_says(&said_by("waits", &[]), &["after a second: 1", "after a flush: 1"]);

    assert_says(&said_by("full", &[("OTEL_BSP_MAX_QUEUE_SIZE", "2")]), &["something was dropped: true"]);
    assert_says(&said_by("full", &[]), &["something was dropped: false"]);
}

#[cfg(feature = "otlp")]
#[test]
fn otlp_arrives_with_its_headers_also_from_a_runtime_of_one_thread() {
    use std::io::{BufRead, BufReader, Read, Write};

    for (role, status) in [("init", "200 OK"), ("init in a runtime", "200 OK"), ("init", "400 Bad Request")] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
            }
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            (head, String::from_utf8_lossy(&body).into_owned())
        });
        let said = said_by(
            role,
            &[
                ("OTEL_TRACES_EXPORTER", "otlp"),
                ("OTEL_SERVICE_NAME", "shop"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20inc"),
                // Nobody is there, and nobody is asked.
                ("ALL_PROXY", "http://127.0.0.1:9"),
                ("HTTP_PROXY", "http://127.0.0.1:9"),
            ],
        );
        assert_says(
            &said,
            &[
                &format!("otlp, endpoint: {endpoint}/v1/traces (OTEL_EXPORTER_OTLP_ENDPOINT)\n"),
                "ignored: ALL_PROXY: spans go to their receiver directly, and through no proxy\n",
                "ignored: HTTP_PROXY: ",
                if status == "200 OK" { "exported: 3," } else { "export_failed: 3," },
                "shut down: ",
            ],
        );
        let (head, body) = receiver.join().unwrap();
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert_says(&head, &["content-type: application/x-protobuf\r\n", "x-tenant: blue inc\r\n"]);
        assert_says(&body, &["shop", "order", "by other code", "a long text"]);
    }
}

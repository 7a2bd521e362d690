//! What the environment says, by the text that `explain` makes of it and by the faults that `install` would tell.

use std::ffi::OsString;

use opentelemetry_sdk::trace::Sampler as SdkSampler;

#[cfg(all(feature = "otlp", feature = "zipkin"))]
mod network;

use super::*;
use crate::console::Console;
use crate::setup::explanation::{Explanation, Origin};

type Variables<'a> = &'a [(&'a str, &'a str)];

fn in_an_environment(builder: Builder, variables: Variables<'_>) -> Builder {
    builder.read_variables(&|name| {
        variables.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value))
    })
}

fn explained(mut builder: Builder) -> String {
    assert_eq!(builder.faults, []);
    let resource = builder.whole_resource();
    builder.explain(Explanation::new(true, Origin::Default), &resource).to_string()
}

/// What is not as it is by default, and by nobody's word.
fn said(builder: Builder) -> Vec<String> {
    let text = explained(builder);
    text.lines().filter(|line| !line.ends_with("(default)")).map(str::to_owned).collect()
}

fn told(variables: Variables<'_>) -> Vec<String> {
    said(in_an_environment(builder("checkout"), variables))
}

fn faults(variables: Variables<'_>) -> Vec<String> {
    let faults = in_an_environment(builder("checkout"), variables).faults;
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn every_setting_is_told_with_where_it_came_from() {
    let builder = builder("checkout").version("1.4.0").queue(9_000).exporter(Console::new());
    let builder = in_an_environment(
        builder,
        &[
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,region=eu%20west,db_password=hunter2"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("TRACING_SAMPLE_RATE", "rather few"),
            ("OTEL_PROPAGATORS", "b3multi,tracecontext,b3multi"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "1500"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "20000"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer hunter2"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "64"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "32"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "256"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "512"),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", ""),
        ],
    );
    let text = explained(builder.code_attributes(false));
    assert_eq!(
        text,
        "\
tracing: on (default)
db_password: *** (OTEL_RESOURCE_ATTRIBUTES)
region: eu west (OTEL_RESOURCE_ATTRIBUTES)
service.name: shop (OTEL_SERVICE_NAME)
service.version: 1.4.0 (code)
exporters: console (code)
sampler: parentbased_traceidratio, 0.25 (OTEL_TRACES_SAMPLER)
filter: none (default)
propagators: b3multi, tracecontext (OTEL_PROPAGATORS)
attributes from baggage: none (default)
queue, spans: 9000 (code)
buffer, bytes: 67108864 (default)
batch, spans: 100 (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)
delay: 1.5s (OTEL_BSP_SCHEDULE_DELAY)
export, timeout: 20s (OTEL_BSP_EXPORT_TIMEOUT)
attributes of a span: 64 (OTEL_ATTRIBUTE_COUNT_LIMIT)
events of a span: 32 (OTEL_SPAN_EVENT_COUNT_LIMIT)
links of a span: 128 (default)
attributes of an event: 128 (default)
attributes of a link: 128 (default)
text, bytes: 256 (OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT)
code attributes: false (code)
exceptions: span events (default)
tail sampling: off (default)
processors: 0 (default)
scrubber: secret keys, patterns (default)
log level: info (default)
ignored: OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT` wins
ignored: OTEL_EXPORTER_OTLP_HEADERS: there is no exporter `otlp`
ignored: OTEL_RESOURCE_ATTRIBUTES: its `service.name` alone, which `OTEL_SERVICE_NAME` says
ignored: TRACING_SAMPLE_RATE: `OTEL_TRACES_SAMPLER` wins
"
    );
}

#[test]
fn what_the_program_says_afterwards_wins_and_what_it_said_before_does_not() {
    let variables = [
        ("OTEL_RESOURCE_ATTRIBUTES", "service.version=2"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "700"),
    ];
    let before = builder("shop").version("1").sampler(SdkSampler::AlwaysOn).queue(9).exporter(Console::new());
    assert_eq!(
        said(in_an_environment(before, &variables)),
        [
            "service.name: shop (code)",
            "service.version: 2 (OTEL_RESOURCE_ATTRIBUTES)",
            "exporters: none (OTEL_TRACES_EXPORTER)",
            "sampler: always_off (OTEL_TRACES_SAMPLER)",
            "queue, spans: 700 (OTEL_BSP_MAX_QUEUE_SIZE)",
        ]
    );
    let after = in_an_environment(builder("shop"), &variables);
    let after = after.version("1").sampler(SdkSampler::AlwaysOn).queue(9).exporter(Console::new());
    let why = "the program says otherwise, after it read the environment";
    assert_eq!(
        said(after.exporter(Console::new())),
        [
            "service.name: shop (code)".to_owned(),
            "service.version: 1 (code)".to_owned(),
            "exporters: console, console 2 (code)".to_owned(),
            "sampler: always_on (code)".to_owned(),
            "queue, spans: 9 (code)".to_owned(),
            format!("ignored: OTEL_BSP_MAX_QUEUE_SIZE: {why}"),
            format!("ignored: OTEL_RESOURCE_ATTRIBUTES: its `service.version` alone: {why}"),
            format!("ignored: OTEL_TRACES_EXPORTER: {why}"),
            format!("ignored: OTEL_TRACES_SAMPLER: {why}"),
        ]
    );
}

#[test]
fn empty_is_unset() {
    let empty = [
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_PROPAGATORS",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTLP_ENDPOINT",
    ];
    let mut variables = empty.map(|name| (name, "")).to_vec();
    variables.push(("OTEL_RESOURCE_ATTRIBUTES", "  "));
    // The short name counts where the standard one is empty.
    variables.push(("TRACING_SAMPLE_RATE", "0.5"));
    assert_eq!(
        told(&variables),
        ["service.name: checkout (code)", "sampler: parentbased_traceidratio, 0.5 (TRACING_SAMPLE_RATE)",]
    );
}

#[test]
fn a_wrong_value_names_the_variable_the_value_and_what_is_allowed() {
    for (variable, value, expected) in [
        ("OTEL_SDK_DISABLED", "yes", "expected `true` or `false`"),
        ("ENABLE_TRACING", "1", "expected `true` or `false`"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c", "`c` has no `=`; expected `key=value,key=value`"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=b", "`=b` has no key; expected `key=value,key=value`"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=100%",
            "`a=100%` has a `%` that encodes nothing; expected UTF-8 in percents, and `%25` for `%`",
        ),
        ("OTEL_TRACES_EXPORTER", "consle", "`consle` is not known; did you mean `console`?"),
        (
            "TRACING_EXPORTER",
            "stdout",
            "`stdout` is not known; expected one of `console`, `otlp`, `jaeger`, `zipkin`, `otlp/stdout`, `none`",
        ),
        ("OTEL_TRACES_EXPORTER", "console,none", "`none` stands alone"),
        ("OTEL_TRACES_EXPORTER", "OTLP,", "`OTLP` is not known; did you mean `otlp`?"),
        (
            "OTEL_TRACES_EXPORTER",
            ",",
            "there is no name in it; expected one of `console`, `otlp`, `jaeger`, `zipkin`, `otlp/stdout`, `none`",
        ),
        ("TRACED_BAGGAGE_ATTRIBUTES", ",", "there is no name in it; expected `name,name`"),
        ("OTEL_TRACES_SAMPLER", "alwys_off", "did you mean `always_off`?"),
        (
            "OTEL_TRACES_SAMPLER",
            "xray",
            "expected one of `always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, \
             `parentbased_always_off`, `parentbased_traceidratio`",
        ),
        ("TRACING_SAMPLE_RATE", "10", "expected a number from 0 to 1"),
        ("TRACING_SAMPLE_RATE", "NaN", "expected a number from 0 to 1"),
        ("OTEL_PROPAGATORS", "tracecontex", "`tracecontex` is not known; did you mean `tracecontext`?"),
        (
            "OTEL_PROPAGATORS",
            "zipkin",
            "`zipkin` is not known; expected one of `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xtraceid`, `none`",
        ),
        (
            "OTEL_PROPAGATORS",
            "b3, xray",
            "no propagator `xray` is built in; give one of your own with `builder(…).propagators(…)`, or one of \
             `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xtraceid`",
        ),
        ("TRACED_FILTER", "orders=on,cache=maybe", "`cache=maybe`: expected `on` or `off` behind the `=`"),
        (
            "TRACED_BAGGAGE_ATTRIBUTES",
            "tenant.id,*",
            "`*` stands for no others; expected the names, `name,name`",
        ),
        ("TRACED_BAGGAGE_ATTRIBUTES", "a b", "`a b` is no name that baggage has; expected `name,name`"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "expected a whole number from 1 to 4294967295"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5k", "expected a whole number from 1 to 4294967295"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", "expected milliseconds, a whole number from 1 to 4294967295"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1", "expected a whole number from 0 to 4294967295"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "+1", "expected a whole number from 0 to 4294967295"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4 kB", "expected a number of bytes, 0 or more"),
    ] {
        assert_eq!(faults(&[(variable, value)]), [format!("`{variable}` is `{value}`; {expected}")]);
    }
    for (word, feature, is_there) in [
        ("otlp", "otlp", cfg!(feature = "otlp")),
        ("jaeger", "otlp", cfg!(feature = "otlp")),
        ("zipkin", "zipkin", cfg!(feature = "zipkin")),
    ] {
        let list = format!("console,{word}");
        let absent = format!(
            "`OTEL_TRACES_EXPORTER` is `{list}`; no exporter `{word}` is built in; enable the feature `{feature}` of `traced`"
        );
        let expected = if is_there { vec![] } else { vec![absent] };
        assert_eq!(faults(&[("OTEL_TRACES_EXPORTER", &list)]), expected);
    }
    assert_eq!(
        faults(&[("OTEL_BSP_MAX_QUEUE_SIZE", "10"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "11")]),
        [
            "`OTEL_BSP_MAX_EXPORT_BATCH_SIZE` is `11`; expected no more than `OTEL_BSP_MAX_QUEUE_SIZE`, which is `10`"
        ]
    );
    assert_eq!(
        faults(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]),
        ["`OTEL_TRACES_SAMPLER_ARG` is `2`; expected a number from 0 to 1"]
    );
}

#[test]
fn all_faults_are_told_at_once_and_no_secret_with_them() {
    let wrong = in_an_environment(
        builder("checkout"),
        &[
            ("OTEL_RESOURCE_ATTRIBUTES", "api_key=hunter2,hunter3"),
            ("OTEL_TRACES_SAMPLER", "most\u{1b}[2J"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ],
    );
    assert_eq!(
        wrong.install().unwrap_err().to_string(),
        "\
the environment says what cannot be done:
    `OTEL_RESOURCE_ATTRIBUTES` is `***`; `***` has no `=`; expected `key=value,key=value`
    `OTEL_TRACES_SAMPLER` is `most\\u{1b}[2J`; expected one of `always_on`, `always_off`, `traceidratio`, \
         `parentbased_always_on`, `parentbased_always_off`, `parentbased_traceidratio`
    `OTEL_BSP_SCHEDULE_DELAY` is `soon`; expected milliseconds, a whole number from 1 to 4294967295"
    );
}

#[test]
fn samplers_of_the_environment_take_the_short_ways() {
    for (name, argument, expected) in [
        ("always_on", "", Sampler::On),
        ("always_off", "", Sampler::Never),
        ("traceidratio", "0.5", Sampler::Plain),
        ("parentbased_always_on", "", Sampler::Always),
        ("parentbased_always_off", "", Sampler::ParentBased),
        ("parentbased_traceidratio", "0.5", Sampler::ParentBased),
        ("parentbased_traceidratio", "1.0", Sampler::Always),
        ("parentbased_traceidratio", "", Sampler::Always),
    ] {
        let variables = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        let builder = in_an_environment(builder("checkout"), &variables);
        assert_eq!((builder.policy.sampler, builder.sampler.is_ours), (expected, true), "{name} {argument}");
    }
}

#[test]
fn an_argument_that_nobody_asked_for_is_said_to_be_ignored() {
    for (sampler, why) in
        [("", "`OTEL_TRACES_SAMPLER` is not set"), ("always_on", "`always_on` takes no argument")]
    {
        let told = told(&[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", "often")]);
        assert_eq!(told.last().unwrap(), &format!("ignored: OTEL_TRACES_SAMPLER_ARG: {why}"));
    }
}

#[test]
fn a_batch_is_no_larger_than_its_queue() {
    assert_eq!(faults(&[("OTEL_BSP_MAX_QUEUE_SIZE", "10")]), [""; 0], "the default batch is no fault");
    let builder =
        in_an_environment(builder("checkout"), &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")]).queue(10);
    let text = explained(builder);
    let expected = "batch, spans: 10, all that the queue has, of 50 (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)\n";
    assert!(text.contains(expected), "{text}");
}

#[cfg(unix)]
#[test]
fn what_is_not_text_is_a_fault() {
    use std::os::unix::ffi::OsStringExt;

    let builder = builder("checkout")
        .read_variables(&|name| (name == "OTEL_SERVICE_NAME").then(|| OsString::from_vec(vec![b'a', 0xff])));
    assert_eq!(builder.faults[0].to_string(), "`OTEL_SERVICE_NAME` is `a\u{fffd}`; expected UTF-8");
}

#[test]
fn each_variable_says_its_own_setting() {
    for (variable, value, expected) in [
        ("OTEL_SERVICE_NAME", "shop", "service.name: shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b=c,", "a: b=c"),
        ("OTEL_TRACES_EXPORTER", "console, console", "exporters: console"),
        ("OTEL_TRACES_EXPORTER", "console,", "exporters: console"),
        ("OTEL_PROPAGATORS", ",b3,,baggage", "propagators: b3, baggage"),
        ("TRACING_EXPORTER", "none", "exporters: none"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off", "sampler: parentbased_always_off"),
        ("TRACING_SAMPLE_RATE", "0.1", "sampler: parentbased_traceidratio, 0.1"),
        ("OTEL_PROPAGATORS", "none", "propagators: none"),
        ("OTEL_PROPAGATORS", "baggage,b3", "propagators: baggage, b3"),
        ("OTEL_PROPAGATORS", "jaeger, xtraceid", "propagators: jaeger, xtraceid"),
        ("TRACED_FILTER", "orders=on,orders::cache=off", "filter: orders=on,orders::cache=off"),
        ("TRACED_BAGGAGE_ATTRIBUTES", "tenant.id, plan,", "attributes from baggage: tenant.id, plan"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4096", "queue, spans: 4096"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7", "batch, spans: 7"),
        ("OTEL_BSP_SCHEDULE_DELAY", "7", "delay: 7ms"),
        ("OTEL_LOG_LEVEL", "WARNING", "log level: warn"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "7", "export, timeout: 7ms"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7", "attributes of a span: 7"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "7", "attributes of a span: 7"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "7", "events of a span: 7"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "7", "links of a span: 7"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "7", "attributes of an event: 7"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "7", "attributes of a link: 7"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", "text, bytes: 7"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", "text, bytes: 7"),
    ] {
        let mut told = told(&[(variable, value)]);
        told.retain(|line| line != "service.name: checkout (code)");
        assert_eq!(told, [format!("{expected} ({variable})")]);
    }
    let limits =
        in_an_environment(builder("checkout"), &[("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "7")]).policy.limits;
    assert_eq!((limits.max_attributes_per_link, limits.max_attributes_per_event), (7, 128));
}

#[test]
fn a_name_that_nobody_knows_is_told_with_the_nearest() {
    let ignored = |set: &[&str]| {
        let builder = in_an_environment(builder("checkout"), &[]);
        let builder = builder.tell_unknown(set.iter().map(OsString::from));
        let told =
            said(builder).into_iter().filter_map(|line| Some(line.strip_prefix("ignored: ")?.to_owned()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        ignored(&[
            "OTEL_TRACE_EXPORTER",
            "OTEL_TRACES_SAMPLR",
            "ENABLE_TRACNG",
            "OTLP_ENDPONT",
            "OTEL_BSP_PATIENCE"
        ]),
        [
            "ENABLE_TRACNG: nobody knows it; did you mean `ENABLE_TRACING`?",
            "OTEL_BSP_PATIENCE: nobody here knows it",
            "OTEL_TRACES_SAMPLR: nobody knows it; did you mean `OTEL_TRACES_SAMPLER`?",
            "OTEL_TRACE_EXPORTER: nobody knows it; did you mean `OTEL_TRACES_EXPORTER`?",
            "OTLP_ENDPONT: nobody knows it; did you mean `OTLP_ENDPOINT`?",
        ]
    );
    assert_eq!(
        ignored(&[
            "OTEL_TRACES_EXPORTER",
            "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
            "OTEL_CONFIG_FILE",
            "OTEL_METRICS_EXPORTER",
            "OTEL_LOGS_EXPORTER",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            "OTEL_PYTHON_TRACER_PROVIDER",
            "HOME",
            "ZIPKIN_SERVICE_HOST",
        ]),
        [""; 0]
    );
    let off = in_an_environment(builder("checkout"), &[("OTEL_SDK_DISABLED", "true")]);
    let off = off.tell_unknown([OsString::from("OTEL_TRACE_EXPORTER")].into_iter());
    assert_eq!(off.origins.ignored, []);
}

#[test]
fn an_observer_sees_what_tail_sampling_does_not_keep_and_counts_for_nothing() {
    use std::sync::Mutex;
    use std::time::Duration;

    use opentelemetry::trace::{Span as _, Tracer as _};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SpanData, SpanExporter};

    /// Keeps the names of spans of this test: others may run beside it.
    #[derive(Debug, Clone, Default)]
    struct Names(Arc<Mutex<Vec<String>>>);

    impl SpanExporter for Names {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let names =
                batch.iter().map(|span| span.name.to_string()).filter(|name| name.starts_with("observed"));
            self.0.lock().unwrap().extend(names);
            Ok(())
        }
    }

    for tail in [None, Some(crate::sampling::Tail::new())] {
        let (observer, exporter) = (Names::default(), Names::default());
        let mut builder = builder("test").exporter(exporter.clone()).observer(observer.clone());
        let is_kept = tail.is_none();
        builder.tail = tail;
        let tracing = builder.install().unwrap();
        let pipeline = pipeline::installed().unwrap();
        let tracer = pipeline.tracer(opentelemetry::InstrumentationScope::default());
        (0..3).for_each(|n| tracer.start(format!("observed {n}")).end());
        assert_eq!(tracing.flush(), Ok(()));
        let names = ["observed 0", "observed 1", "observed 2"];
        assert_eq!(*observer.0.lock().unwrap(), names);
        assert_eq!(*exporter.0.lock().unwrap(), if is_kept { &names[..] } else { &[] });
        assert_eq!(tracing.shutdown(Duration::from_secs(30)), Ok(()));
        let stats = tracing.stats();
        assert_eq!(stats.started, stats.open + stats.waiting + stats.exported + stats.dropped.total());
        assert!(if is_kept { stats.exported >= 3 } else { stats.dropped.not_kept >= 3 }, "{stats:?}");
    }
}

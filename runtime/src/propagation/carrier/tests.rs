//! Every carrier there is, read and written.

use std::borrow::Cow;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;

use super::super::baggage::BAGGAGE;
use super::super::custom::KNOWN;
use super::super::propagator::Propagators;
use super::super::tests::{SPAN, TRACE, W3C, all, extracted, text};
use super::super::trace_context::{TRACEPARENT, TRACESTATE};
use super::super::{AsLink, Propagator, extract};
use super::*;

#[test]
fn every_carrier_is_read_in_any_case_and_written_without_duplicates() {
    fn check<C: Inject + Extract>(mut carrier: C, entries: impl Fn(&C) -> usize) {
        let cx = extracted([(TRACEPARENT, W3C), (BAGGAGE, "a=1")]).context().clone();
        let before = entries(&carrier);
        assert!(extracted(&carrier).span_context().trace_state().get("stale").is_some());
        Propagators::default().write(&cx, &mut carrier);
        assert_eq!(extracted(&carrier).span_context(), cx.as_link(), "the stale `tracestate` is gone");
        // One `tracestate` less, one `baggage` more.
        assert_eq!(entries(&carrier), before);
        Propagators::default().write(&Context::new(), &mut carrier);
        assert_eq!(extracted(&carrier).span_context(), cx.as_link(), "no span leaves a carrier alone");
    }

    let stale = || {
        [("Other", "1"), ("TraceParent", &W3C.replace('a', "b")), ("TRACESTATE", "stale=1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    check(stale().to_vec(), Vec::len);
    check(HashMap::from(stale()), HashMap::len);
    check(BTreeMap::from(stale()), BTreeMap::len);
    check(&mut stale().to_vec(), |carrier| carrier.len());
    #[cfg(feature = "http")]
    check(http::HeaderMap::try_from(&HashMap::from(stale())).unwrap(), http::HeaderMap::len);
}

#[test]
fn everything_that_holds_pairs_of_strings_is_read() {
    let expected = text(&extracted([(TRACEPARENT, W3C)]));
    let pair = (TRACEPARENT, W3C);
    let dynamic: &dyn Extract = &[pair];
    assert_eq!(text(&extracted(HashMap::from([pair]))), expected);
    assert_eq!(
        text(&extracted(BTreeMap::from([(Cow::Borrowed(TRACEPARENT), Box::<str>::from(W3C))]))),
        expected
    );
    assert_eq!(text(&extracted(vec![(String::from(TRACEPARENT), Arc::<str>::from(W3C))])), expected);
    assert_eq!(text(&extracted(&[pair][..])), expected);
    let mut array = [pair];
    let exclusive = &mut array;
    assert_eq!(text(&extracted(exclusive)), expected);
    assert_eq!(text(&extracted(Arc::new(Box::new([pair])))), expected);
    assert_eq!(text(&extract(dynamic)), expected);
    assert_eq!(text(&extract(&[pair][..])), expected);
}

#[cfg(feature = "http")]
#[test]
fn a_header_map_with_a_header_twice_or_not_in_ascii_starts_a_trace() {
    let mut headers = http::HeaderMap::new();
    headers.append(TRACEPARENT, W3C.parse().unwrap());
    assert!(extracted(&headers).is_valid());
    let mut twice = headers.clone();
    twice.append(TRACEPARENT, http::HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(!extracted(&twice).is_valid());
    headers.append(TRACESTATE, http::HeaderValue::from_bytes(b"a=\xff").unwrap());
    assert_eq!(extracted(&headers).span_context().trace_state(), &opentelemetry::trace::TraceState::NONE);
}

#[test]
fn a_command_gets_its_environment() {
    let cx = extracted([(TRACEPARENT, W3C), (BAGGAGE, "a=1")]).context().clone();
    let mut command = Command::new("true");
    command.env("TRACESTATE", "stale=1");
    Propagators::new(all()).write(&cx, &mut command);
    let variables: Vec<_> = command
        .get_envs()
        .map(|(name, value)| format!("{}={}", name.display(), value.unwrap_or_default().display()))
        .collect();
    assert_eq!(
        variables,
        [
            format!("B3={TRACE}-{SPAN}-1"),
            "BAGGAGE=a=1".into(),
            format!("TRACEPARENT={W3C}"),
            "TRACESTATE=".into(),
            "X_B3_FLAGS=".into(),
            "X_B3_PARENTSPANID=".into(),
            "X_B3_SAMPLED=1".into(),
            format!("X_B3_SPANID={SPAN}"),
            format!("X_B3_TRACEID={TRACE}"),
        ]
    );
}

/// The environment of a process is what it was started with: `set_var` is unsafe. So this test starts
/// itself, and the second process answers through its exit code.
#[test]
fn the_environment_continues_the_trace_of_the_process_that_started_this_one() {
    const ROLE: &str = "TRACED_TEST_EXPECTS";
    if let Ok(expected) = env::var(ROLE) {
        assert_eq!(text(&extracted(Environment)), expected);
        let mut names = Vec::new();
        Environment.names(&mut |name| names.push(name.to_owned()));
        assert!(names.contains(&"traced-test-expects".to_owned()));
        return;
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::the_environment_continues_the_trace_of_the_process_that_started_this_one");
    let again = |expected: &str, fill: &dyn Fn(&mut Command)| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &name, "--nocapture"]).env(ROLE, expected);
        for name in KNOWN {
            command.unset(name);
        }
        fill(&mut command);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    };
    let cx = extracted([(TRACEPARENT, W3C)]).context().clone();
    let sound = format!("{TRACE}-{SPAN}-01");
    again(&sound, &|command| Propagators::default().write(&cx, command));
    again(&sound, &|command| Propagators::new(vec![Propagator::B3Multi]).write(&cx, command));
    again("", &|_| {});
    again("", &|command| {
        command.env("TRACEPARENT", "nonsense");
    });
    #[cfg(unix)]
    again("", &|command| {
        use std::os::unix::ffi::OsStringExt;
        command.env("TRACEPARENT", std::ffi::OsString::from_vec(vec![0xff; 55]));
    });
}

#[test]
fn carriers_of_opentelemetry_are_read_and_written() {
    let mut map = HashMap::new();
    let cx = extracted([(TRACEPARENT, W3C), (TRACESTATE, "a=1")]).context().clone();
    let injector: &mut dyn Injector = &mut map;
    Propagators::default().write(&cx, &mut Carrier(injector));
    let extractor: &dyn Extractor = &map;
    assert_eq!(extracted(Carrier(extractor)).span_context(), cx.as_link());

    // And the other way about, for `opentelemetry::global`.
    let propagator: &dyn TextMapPropagator = &Propagators::default();
    assert_eq!(propagator.extract(&map).as_link(), cx.as_link());
    let mut again = HashMap::new();
    propagator.inject_context(&cx, &mut again);
    assert_eq!(again, map);
    assert_eq!(propagator.fields().collect::<Vec<_>>(), [TRACEPARENT, TRACESTATE, BAGGAGE]);
    let mut nothing = HashMap::new();
    nothing.insert(TRACEPARENT.to_owned(), "nonsense".to_owned());
    assert_eq!(propagator.extract_with_context(&cx, &nothing).as_link(), cx.as_link());
}

//! OTLP as JSON lines: every line whole, whatever happens to the file.
#![cfg(feature = "otlp-file")]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use exporters::{LONG, adds_up, turn};
use serde_json::{Value, json};
use traced::opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use traced::opentelemetry::{Context, trace::TraceContextExt as _};
use traced::{Builder, OtlpFile, Tracing, traced};

/// A folder of the test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("traced-otlp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The files and their sizes, by name.
    fn files(&self) -> Vec<(String, u64)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// All spans of a file.
fn spans(path: &Path) -> Vec<Value> {
    let all = |value: &Value, key: &str| value[key].as_array().unwrap().clone();
    lines(path)
        .iter()
        .flat_map(|line| all(line, "resourceSpans"))
        .flat_map(|spans| all(&spans, "scopeSpans"))
        .flat_map(|spans| all(&spans, "spans"))
        .collect()
}

fn numbers(path: &Path) -> Vec<i64> {
    let number = |span: &Value| {
        let attributes = span["attributes"].as_array().unwrap().clone();
        let number = attributes.into_iter().find(|attribute| attribute["key"] == "number").unwrap();
        number["value"]["intValue"].as_str().unwrap().parse().unwrap()
    };
    spans(path).iter().map(number).collect()
}

#[traced(attr(number, text))]
fn work(number: i64, text: &str) {}

fn installed(exporter: OtlpFile, set_up: impl FnOnce(Builder) -> Builder) -> Tracing {
    set_up(traced::builder("shop").exporter(exporter)).install().unwrap()
}

#[traced(kind = client, parent = parent, links([parent]), attr(on = true, most = i64::MAX, half = 0.5, words = ["a"]))]
fn everything(parent: &Context) -> Result<(), String> {
    traced::set!(none = f64::NAN, beyond = [1.0, f64::NEG_INFINITY, f64::INFINITY]);
    traced::set!(hoax = "\"doubleValue\":null");
    traced::event!("step", none = f64::NAN);
    Err("no tea".to_owned())
}

#[test]
fn a_line_is_what_the_specification_says() {
    let (folder, _turn) = (Folder::new("line"), turn());
    let path = folder.at("traces.jsonl");
    let tracing = installed(OtlpFile::new(&path), |builder| builder.code_attributes(false).version("1"));
    let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
    let remote =
        SpanContext::new(TraceId::from(0xabc), SpanId::from(0xdef), TraceFlags::SAMPLED, true, state);
    everything(&Context::new().with_remote_span_context(remote)).unwrap_err();
    assert_eq!(tracing.shutdown(LONG), Ok(()));

    let lines = lines(&path);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let resource = &line["resourceSpans"][0]["resource"]["attributes"];
    let name = json!({"key": "service.name", "value": {"stringValue": "shop"}});
    assert!(resource.as_array().unwrap().contains(&name), "{resource}");
    let scope = &line["resourceSpans"][0]["scopeSpans"][0]["scope"];
    assert_eq!((&scope["name"], &scope["version"]), (&json!("traced"), &json!(env!("CARGO_PKG_VERSION"))));
    let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    for (key, expected) in [
        ("traceId", json!("00000000000000000000000000000abc")),
        ("parentSpanId", json!("0000000000000def")),
        ("traceState", json!("vendor=1")),
        ("name", json!("everything")),
        ("kind", json!(3)),
        ("flags", json!(0x301)),
        ("status", json!({"code": 2, "message": "no tea"})),
        (
            "attributes",
            json!([
                {"key": "on", "value": {"boolValue": true}},
                {"key": "most", "value": {"intValue": "9223372036854775807"}},
                {"key": "half", "value": {"doubleValue": 0.5}},
                {"key": "words", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
                {"key": "none", "value": {"doubleValue": "NaN"}},
                {"key": "beyond", "value": {"arrayValue": {"values": [
                    {"doubleValue": 1.0}, {"doubleValue": "-Infinity"}, {"doubleValue": "Infinity"}
                ]}}},
                {"key": "hoax", "value": {"stringValue": "\"doubleValue\":null"}},
                {"key": "error.type", "value": {"stringValue": "alloc::string::String"}},
            ]),
        ),
    ] {
        assert_eq!(span[key], expected, "{key}");
    }
    assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
    assert_eq!(span["events"][0]["attributes"], json!([{"key": "none", "value": {"doubleValue": "NaN"}}]));
    assert_eq!(span["links"][0]["spanId"], json!("0000000000000def"));
    let nanos = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano"));
    assert!(nanos("startTimeUnixNano") > 1_700_000_000_000_000_000);
}

#[test]
fn files_rotate_and_together_stay_within_their_bound() {
    const SIZE: u64 = 20_000;
    let (folder, _turn) = (Folder::new("rotate"), turn());
    let path = folder.at("traces.jsonl");
    let exporter = OtlpFile::new(&path).rotate_at(SIZE).old_files(2);
    let tracing = installed(exporter, |builder| builder.delay(Duration::from_millis(1)));
    for number in 0..2_000 {
        // Controls take six bytes each.
        work(number, "\u{1}".repeat(20).as_str());
        if number % 100 == 0 {
            assert_eq!(tracing.flush(), Ok(()));
        }
    }
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(tracing.stats().exported, 2_000);
    let files = folder.files();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["traces.jsonl", "traces.jsonl.1", "traces.jsonl.2"]);
    assert!(files.iter().all(|(_, size)| *size <= SIZE), "{files:?}");
    let kept: Vec<i64> = ["traces.jsonl.2", "traces.jsonl.1", "traces.jsonl"]
        .iter()
        .flat_map(|name| numbers(&folder.at(name)))
        .collect();
    let first = kept[0];
    assert_eq!(kept, (first..2_000).collect::<Vec<_>>(), "the newest, in order, and none is missing");
}

#[test]
fn without_old_files_it_begins_anew_and_a_span_larger_than_a_file_is_not_lost() {
    let (folder, _turn) = (Folder::new("anew"), turn());
    let path = folder.at("traces.jsonl");
    let tracing = installed(OtlpFile::new(&path).rotate_at(3_000).old_files(0), |builder| builder);
    for number in 0..3 {
        work(number, &"x".repeat(4_000));
    }
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(numbers(&path), [2]);
    work(3, "");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!((numbers(&path), folder.files().len()), (vec![3], 1));
}

#[test]
fn what_is_there_stays_and_a_half_line_spoils_no_other() {
    let (folder, _turn) = (Folder::new("half"), turn());
    let path = folder.at("traces.jsonl");
    fs::write(&path, "{\"resourceSpans\":[]}\n{\"resourceSp").unwrap();
    let tracing = installed(OtlpFile::new(&path), |builder| builder);
    work(1, "");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[1]), (3, "{\"resourceSp"));
    assert!(serde_json::from_str::<Value>(lines[2]).is_ok() && text.ends_with('\n'));
}

#[test]
fn a_file_that_is_moved_away_is_begun_again() {
    let (folder, _turn) = (Folder::new("moved"), turn());
    let path = folder.at("traces.jsonl");
    let tracing = installed(OtlpFile::new(&path), |builder| builder);
    work(1, "");
    assert_eq!(tracing.flush(), Ok(()));
    fs::rename(&path, folder.at("moved")).unwrap();
    work(2, "");
    assert_eq!(tracing.flush(), Ok(()));
    fs::remove_file(&path).unwrap();
    work(3, "");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!((numbers(&folder.at("moved")), numbers(&path)), (vec![1], vec![3]));
}

#[test]
fn a_folder_that_goes_loses_what_is_counted_and_nothing_after_it_is_back() {
    let (folder, _turn) = (Folder::new("gone"), turn());
    let inner = folder.at("logs");
    let path = inner.join("traces.jsonl");
    fs::create_dir(&inner).unwrap();
    let tracing = installed(OtlpFile::new(&path), |builder| builder);
    work(1, "");
    assert_eq!(tracing.flush(), Ok(()));
    fs::remove_dir_all(&inner).unwrap();
    work(2, "");
    work(3, "");
    let error = tracing.flush().unwrap_err().to_string();
    assert!(error.contains("logs/traces.jsonl` cannot be written: "), "{error}");
    fs::create_dir(&inner).unwrap();
    work(4, "");
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    assert_eq!(numbers(&path), [4]);
    let stats = tracing.stats();
    assert_eq!((stats.exported, stats.dropped.export_failed, adds_up(&stats)), (2, 2, true));
}

#[test]
fn a_path_that_is_no_file_is_an_error_and_nothing_hangs() {
    let (folder, _turn) = (Folder::new("nofile"), turn());
    for path in [folder.0.clone(), PathBuf::from("/dev/null"), PathBuf::from("")] {
        let tracing = installed(OtlpFile::new(&path), |builder| builder);
        work(1, "");
        assert!(tracing.flush().is_err(), "{path:?}");
        assert_eq!(tracing.stats().dropped.export_failed, 1);
    }
}

/// A disk without room: what was written of a line is taken back.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_half_line() {
    const CHILD: &str = "TRACED_FULL_DISK";
    if let Ok(folder) = std::env::var(CHILD) {
        let path = Path::new(&folder).join("traces.jsonl");
        let tracing = installed(OtlpFile::new(path), |builder| builder);
        for number in 0..20 {
            work(number, &"x".repeat(1_000));
            let _ = tracing.flush();
        }
        let stats = tracing.stats();
        assert!(stats.exported > 0 && stats.dropped.export_failed > 0 && adds_up(&stats), "{stats:?}");
        assert_eq!(stats.exported + stats.dropped.export_failed, 20);
        println!("exported {}", stats.exported);
        return;
    }
    let folder = Folder::new("full");
    // A limit on the size of files, whose signal is ignored, makes of a write a short one, as a full disk does.
    let test = std::env::current_exe().unwrap();
    let output = std::process::Command::new("bash")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact a_full_disk_leaves_no_half_line --nocapture")
        .arg(test)
        .env(CHILD, &folder.0)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let exported = numbers(&folder.at("traces.jsonl")).len();
    assert!(printed.contains(&format!("exported {exported}\n")), "{printed}");
}

#[cfg(unix)]
#[test]
fn files_are_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, _turn) = (Folder::new("private"), turn());
    let path = folder.at("traces.jsonl");
    let tracing = installed(OtlpFile::new(&path).rotate_at(100), |builder| builder);
    for number in 0..3 {
        work(number, "");
        assert_eq!(tracing.flush(), Ok(()));
    }
    drop(tracing);
    for (name, _) in folder.files() {
        let mode = fs::metadata(folder.at(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(folder.files().len(), 3);
}

#[test]
fn stdout_is_asked_for_by_the_environment() {
    const CHILD: &str = "TRACED_TO_STDOUT";
    if std::env::var_os(CHILD).is_some() {
        let tracing = traced::init("shop").unwrap();
        let explanation = tracing.explain().to_string();
        assert!(explanation.contains("exporters: otlp/stdout (OTEL_TRACES_EXPORTER)\n"), "{explanation}");
        work(7, "");
        assert_eq!(tracing.shutdown(LONG), Ok(()));
        return;
    }
    let folder = Folder::new("stdout");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["stdout_is_asked_for_by_the_environment", "--exact", "--nocapture"])
        .envs([(CHILD, "1"), ("OTEL_TRACES_EXPORTER", "otlp/stdout")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    // The test's own harness prints beside it.
    let line = printed.lines().find_map(|line| line.find("{\"resource").map(|at| &line[at..])).unwrap();
    fs::write(folder.at("line"), format!("{line}\n")).unwrap();
    assert_eq!(numbers(&folder.at("line")), [7]);
}

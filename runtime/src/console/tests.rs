//! Whole blocks compared as text, and traces no one would write.

use std::collections::HashMap;
use std::ffi::OsString;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use unicode_width::UnicodeWidthChar;

use super::*;

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

fn at(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_micros(micros)
}

fn context(trace: u128, span: u64) -> SpanContext {
    SpanContext::new(TraceId::from(trace), SpanId::from(span), TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// A span by id and parent, from `start` to `end` in microseconds.
fn span(id: u64, parent: u64, name: impl Into<Cow<'static, str>>, start: u64, end: u64) -> SpanData {
    SpanData {
        span_context: context(TRACE, id),
        parent_span_id: SpanId::from(parent),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: at(start),
        end_time: at(end),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

/// What tests say of a span beyond ids and times.
trait Say: Sized {
    fn of_trace(self, trace: u128) -> Self;
    fn kind(self, kind: SpanKind) -> Self;
    fn attr(self, key: &'static str, value: impl Into<Value>) -> Self;
    fn fails(self, description: &'static str) -> Self;
    fn event(self, name: &'static str, micros: u64, attributes: Vec<KeyValue>) -> Self;
    fn remote(self) -> Self;
}

impl Say for SpanData {
    fn of_trace(mut self, trace: u128) -> Self {
        self.span_context = context(trace, u64::from_be_bytes(self.span_context.span_id().to_bytes()));
        self
    }
    fn kind(mut self, kind: SpanKind) -> Self {
        self.span_kind = kind;
        self
    }
    fn attr(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }
    fn fails(mut self, description: &'static str) -> Self {
        self.status = Status::error(description);
        self
    }
    fn event(mut self, name: &'static str, micros: u64, attributes: Vec<KeyValue>) -> Self {
        self.events.events.push(Event::new(name, at(micros), attributes, 0));
        self
    }
    fn remote(mut self) -> Self {
        self.parent_span_is_remote = true;
        self
    }
}

fn exception(kind: &'static str, message: &'static str, trace: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("exception.type", kind),
        KeyValue::new("exception.message", message),
        KeyValue::new("exception.stacktrace", trace),
    ]
}

/// What was written, a string for each write.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<String>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
    fn titles(&self) -> Vec<String> {
        self.take().iter().filter_map(|block| block.lines().next().map(str::to_owned)).collect()
    }
}

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the console never waits"),
    }
}

fn console() -> (Console, Screen) {
    let screen = Screen::default();
    (Console::new().writer(screen.clone()), screen)
}

fn drawn(width: usize, colour: bool, spans: &[SpanData]) -> String {
    Page::new(Some(width), colour).draw(&Trace {
        service: "shop",
        id: TraceId::from(TRACE),
        spans,
        occasion: Occasion::Ended,
        open: 0,
    })
}

/// Compares whole blocks, and shows both as they are.
#[track_caller]
fn assert_block(actual: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(actual == expected, "\n=== expected\n{expected}\n=== actual\n{actual}");
}

fn columns_of(line: &str) -> usize {
    line.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// An order that fails at the card: all there is to be seen.
fn order() -> Vec<SpanData> {
    let mut spans = vec![
        span(1, 0x7777, "POST /orders", 0, 182_400)
            .remote()
            .kind(SpanKind::Server)
            .fails("card declined")
            .attr("code.file.path", "src/web.rs")
            .attr("http.request.method", "POST")
            .attr("http.response.status_code", 502)
            .attr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
            .attr("error.type", "PaymentError"),
        span(2, 1, "validate", 400, 1_600).attr("items", 3).attr("express", true).event(
            "order.validated",
            1_100,
            vec![KeyValue::new("total", 59.0)],
        ),
        span(3, 1, "load_cart", 1_800, 41_900)
            .kind(SpanKind::Client)
            .attr("db.system.name", "postgresql")
            .attr(
                "db.query.text",
                "SELECT id, sku, quantity FROM cart_items WHERE cart_id = $1 ORDER BY position",
            ),
        span(4, 1, "charge_card", 60_000, 140_000)
            .kind(SpanKind::Client)
            .fails("card declined")
            .attr("code.function.name", "shop::charge_card")
            .attr("code.file.path", "src/pay.rs")
            .attr("code.line.number", 42)
            .attr("amount", 59.0)
            .attr("error.type", "PaymentError")
            .event("retry", 90_000, vec![KeyValue::new("attempt", 2)])
            .event(
                "exception",
                140_000,
                exception(
                    "PaymentError",
                    "card declined",
                    "card declined\ncaused by: gateway answered 402\ncaused by: insufficient funds",
                ),
            ),
        span(5, 1, "reserve_stock", 141_000, 171_000).attr("cancelled", true),
        span(6, 1, "publish order.failed", 172_000, 181_000).kind(SpanKind::Producer),
    ];
    if let Some(publish) = spans.last_mut() {
        publish.links.links.push(Link::with_context(context(0xabc, 0xdef)));
    }
    for row in 0..98 {
        let start = 2_000 + row * 390;
        let id = i64::try_from(row).unwrap() + 1;
        spans.push(span(100 + row, 3, "load_row", start, start + 200 + row).attr("row.id", id));
    }
    spans
}

#[test]
fn a_trace_is_a_tree_with_its_times_beside_it() {
    assert_block(
        &drawn(100, false, &order()),
        r#"
━━ shop ▸ POST /orders  182ms · 104 spans · 2 failed · trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ POST /orders  server                     182ms  100%  ━━━━━━━━━━━━━━━━  self 22.1ms
│  remote parent 0000000000007777  http.request.method=POST  http.response.status_code=502
│  user_agent.original="Mozilla/5.0 (X11; Linux x86_64)"
├─ validate  items=3  express=true        1.20ms    1%  ╸
│     • +700µs  order.validated  total=59.0
├─ load_cart  client                      40.1ms   22%  ━━━╸              self 15.7ms
│  │  db.system.name=postgresql
│  │  db.query.text="SELECT id, sku, quantity FROM cart_items WHERE cart_id = $1 ORDER BY position"
│  └─ load_row ×98  avg 249µs  max 297µs  24.4ms   13%  ╍╍╍╍
│        row.id=1…98
├─ ✗ charge_card  client                  80.0ms   44%       ╺━━━━━━╸
│     PaymentError: card declined  at src/pay.rs:42
│     ↳ gateway answered 402
│     ↳ insufficient funds
│     amount=59.0
│     • +30.0ms  retry  attempt=2
├─ reserve_stock  cancelled               30.0ms   16%              ╺━━
└─ publish order.failed  producer         9.00ms    5%                 ━
      → trace 00000000000000000000000000000abc span 0000000000000def

"#,
    );
}

#[test]
fn a_narrow_page_is_filled_and_kept() {
    assert_block(
        &drawn(60, false, &order()),
        r#"
━━ shop ▸ POST /orders  182ms · 104 spans · 2 failed
   trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ POST /orders  server               182ms  100%  ━━━━━━━━━━
│  self 22.1ms  remote parent 0000000000007777
│  http.request.method=POST  http.response.status_code=502
│  user_agent.original="Mozilla/5.0 (X11; Linux x86_64)"
├─ validate  items=3  express=true  1.20ms    1%  ╸
│     • +700µs  order.validated  total=59.0
├─ load_cart  client  self 15.7ms   40.1ms   22%  ━━╸
│  │  db.system.name=postgresql
│  │  db.query.text="SELECT id, sku, quantity FROM cart_ite…
│  └─ load_row ×98                  24.4ms   13%  ╍╍╸
│        avg 249µs  max 297µs  row.id=1…98
├─ ✗ charge_card  client            80.0ms   44%     ╺━━━╸
│     PaymentError: card declined  at src/pay.rs:42
│     ↳ gateway answered 402
│     ↳ insufficient funds
│     amount=59.0
│     • +30.0ms  retry  attempt=2
├─ reserve_stock  cancelled         30.0ms   16%         ╺━╸
└─ publish order.failed  producer   9.00ms    5%           ╺
      → trace 00000000000000000000000000000abc span 0000000…

"#,
    );
}

#[test]
fn a_wide_page_has_longer_bars() {
    assert_block(
        &drawn(140, false, &order()),
        r#"
━━ shop ▸ POST /orders  182ms · 104 spans · 2 failed · trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ POST /orders  server                     182ms  100%  ━━━━━━━━━━━━━━━━━━━━━━━━  self 22.1ms
│  remote parent 0000000000007777  http.request.method=POST  http.response.status_code=502
│  user_agent.original="Mozilla/5.0 (X11; Linux x86_64)"
├─ validate  items=3  express=true        1.20ms    1%  ╸
│     • +700µs  order.validated  total=59.0
├─ load_cart  client                      40.1ms   22%  ━━━━━╸                    self 15.7ms
│  │  db.system.name=postgresql  db.query.text="SELECT id, sku, quantity FROM cart_items WHERE cart_id = $1 ORDER BY position"
│  └─ load_row ×98  avg 249µs  max 297µs  24.4ms   13%  ╺╍╍╍╍╸
│        row.id=1…98
├─ ✗ charge_card  client                  80.0ms   44%          ━━━━━━━━━━╸
│     PaymentError: card declined  at src/pay.rs:42
│     ↳ gateway answered 402
│     ↳ insufficient funds
│     amount=59.0
│     • +30.0ms  retry  attempt=2
├─ reserve_stock  cancelled               30.0ms   16%                    ╺━━━╸
└─ publish order.failed  producer         9.00ms    5%                        ╺━
      → trace 00000000000000000000000000000abc span 0000000000000def

"#,
    );
}

#[test]
fn colours_say_what_failed_and_what_was_cancelled() {
    let spans = [
        span(1, 0, "sync", 0, 1_000),
        span(2, 1, "pull", 0, 500).fails("no route"),
        span(3, 1, "push", 500, 1_000).attr("cancelled", true).kind(SpanKind::Client),
    ];
    let block = drawn(80, true, &spans).replace('\x1b', "~");
    assert_block(&block, "
~[2m━━ ~[0m~[36mshop~[0m~[2m ▸ ~[0m~[1msync~[0m~[2m  ~[0m~[1m1.00ms~[0m~[2m · ~[0m3 spans~[2m · ~[0m~[31m1 failed~[0m
   ~[2mtrace 4bf92f3577b34da6a3ce929d0e0e4736~[0m
~[1msync~[0m                                1.00ms  ~[2m100%~[0m  ~[34m━━━━━━━━━━~[0m  ~[2mself 0ns~[0m
~[2m├─ ~[0m~[31m✗ ~[0m~[1;31mpull~[0m  ~[31mno route~[0m                  500µs   ~[2m50%~[0m  ~[31m━━━━━~[0m
~[2m└─ ~[0m~[1mpush~[0m  ~[36mclient~[0m  ~[33mcancelled~[0m           500µs   ~[2m50%~[0m       ~[33m━━━━━~[0m

");
}

#[test]
fn a_trace_of_one_span_is_two_lines() {
    assert_block(
        &drawn(100, false, &[span(1, 0, "tick", 0, 42)]),
        "
━━ shop ▸ tick  42.0µs · 1 span · trace 4bf92f3577b34da6a3ce929d0e0e4736
tick                                42.0µs  100%  ━━━━━━━━━━━━━━━━

",
    );
}

#[test]
fn no_time_at_all_is_no_division_by_it() {
    let spans = [span(1, 0, "instant", 0, 0), span(2, 1, "child", 0, 0)];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ instant  0ns · 2 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
instant                                0ns                    self 0ns
└─ child                               0ns

",
    );
}

#[test]
fn a_clock_that_goes_backwards_takes_no_time() {
    let spans = [span(1, 0, "root", 1_000, 2_000), span(2, 1, "backwards", 1_500, 200)];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ root  1.00ms · 2 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
root                                1.00ms  100%  ━━━━━━━━━━  self 1.00ms
└─ backwards                           0ns    0%       ╸

",
    );
}

#[test]
fn self_time_is_what_no_child_covers() {
    let spans = [
        span(1, 0, "root", 0, 100),
        span(2, 1, "one", 10, 50),
        // Overlaps the first, so that 10 to 60 is covered once.
        span(3, 1, "two", 30, 60),
        // Outlives its parent: only what lies within counts.
        span(4, 1, "three", 90, 150),
    ];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ root  100µs · 4 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
root                                 100µs  100%  ━━━━━━╸     self 40.0µs
├─ one                              40.0µs   40%  ╺━━╸
├─ two                              30.0µs   30%    ━━
└─ three                            60.0µs   60%        ━━━━

",
    );
}

#[test]
fn equal_subtrees_fold_into_one() {
    let mut spans = vec![span(1, 0, "import", 0, 10_000)];
    for page in 0..3 {
        let start = page * 3_000;
        spans.push(span(10 + page, 1, "page", start, start + 3_000).kind(SpanKind::Client));
        // Pages of different lengths are alike all the same.
        for row in 0..(3 + page) {
            spans.push(span(
                100 + page * 10 + row,
                10 + page,
                "row",
                start + row * 100,
                start + row * 100 + 50,
            ));
        }
        spans.push(span(200 + page, 10 + page, "commit", start + 2_000, start + 2_500).attr("ok", true));
    }
    assert_block(
        &drawn(100, false, &spans),
        "
━━ shop ▸ import  10.0ms · 19 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
import                                          10.0ms  100%  ━━━━━━━━━━━━━━━━  self 1.00ms
└─ page ×3  client  avg 3.00ms  max 3.00ms      9.00ms   90%  ━━━━━━━━━━━━━━╸   self 6.90ms
   ├─ row ×12  avg 50.0µs  max 50.0µs            600µs    6%  ╍    ╍   ╺╸
   └─ commit ×3  avg 500µs  max 500µs  ok=true  1.50ms   15%     ━    ━    ╸

",
    );
}

#[test]
fn siblings_at_the_same_time_tell_their_sum_too() {
    let mut spans = vec![span(1, 0, "fan_out", 0, 1_000)];
    spans.extend((0..4).map(|id| span(10 + id, 1, "fetch", 100, 900).attr("url", format!("/{id}"))));
    assert_block(
        &drawn(100, false, &spans),
        "
━━ shop ▸ fan_out  1.00ms · 5 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
fan_out                                          1.00ms  100%  ━━━━━━━━━━━━━━━━  self 200µs
└─ fetch ×4  total 3.20ms  avg 800µs  max 800µs   800µs   80%   ╺━━━━━━━━━━━━╸
      url=(4 values)

",
    );
}

#[test]
fn only_what_is_equal_is_folded() {
    let row = |id: u64| span(id, 1, "row", id * 10, id * 10 + 5);
    let root = || span(1, 0, "root", 0, 1_000);
    let lines = |spans: Vec<SpanData>| drawn(100, false, &spans).lines().count() - 3;
    assert_eq!(lines(vec![root(), row(2), row(3), row(4)]), 1, "three are one line");
    assert_eq!(lines(vec![root(), row(2), row(3)]), 2, "two are not many");
    assert_eq!(lines(vec![root(), row(2), row(3), row(4).kind(SpanKind::Client)]), 3, "kind");
    assert_eq!(lines(vec![root(), row(2), row(3), row(4).attr("cancelled", true)]), 3, "cancelled");
    assert_eq!(lines(vec![root(), row(2), span(3, 1, "other", 30, 35), row(4), row(5)]), 4, "neighbours");
    assert_eq!(lines(vec![root(), row(2), row(3), row(4), span(5, 4, "child", 41, 42)]), 4, "subtree");
    let failed = |id, text| row(id).fails(text);
    assert_eq!(lines(vec![root(), failed(2, "a"), failed(3, "a"), failed(4, "b")]), 3, "text of the error");
    assert_eq!(lines(vec![root(), failed(2, "a"), failed(3, "a"), failed(4, "a")]), 1, "one error");
    let typed = |id, kind| failed(id, "a").attr("error.type", kind);
    assert_eq!(lines(vec![root(), typed(2, "A"), typed(3, "A"), typed(4, "B")]), 3, "type of the error");
}

#[test]
fn folded_events_and_links_are_counted() {
    let mut spans = vec![span(1, 0, "batch", 0, 1_000)];
    for id in 2..5 {
        let mut item = span(id, 1, "item", id * 100, id * 100 + 50).event("done", id * 100, Vec::new());
        item.links.links.push(Link::with_context(context(7, id)));
        spans.push(item);
    }
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ batch  1.00ms · 4 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
batch                               1.00ms  100%  ━━━━━━━━━━  self 850µs
└─ item ×3  avg 50.0µs  max 50.0µs   150µs   15%    ╸╸╸
      • done  ×3
      → 1 link each

",
    );
}

#[test]
fn an_error_is_told_once_where_it_happened() {
    let told = exception("io::Error", "no such file", "no such file\ncaused by: ENOENT");
    let spans = [
        span(1, 0, "outer", 0, 300).fails("no such file").attr("error.type", "io::Error"),
        span(2, 1, "middle", 0, 200).fails("no such file").attr("error.type", "io::Error"),
        span(3, 2, "inner", 0, 100).fails("no such file").attr("error.type", "io::Error").event(
            "exception",
            100,
            told,
        ),
    ];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ outer  300µs · 3 spans · 3 failed
   trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ outer                                  300µs  100%  ━━━━━━━━━━  self 100µs
└─ ✗ middle                              200µs   67%  ━━━━━━╸     self 100µs
   └─ ✗ inner  io::Error: no such file   100µs   33%  ━━━╸
         ↳ ENOENT

",
    );
}

#[test]
fn a_cause_of_several_lines_hangs_together() {
    let told = exception("Declined", "no", "no\ncaused by: the host\nis gone\ncaused by: timeout");
    let spans = [span(1, 0, "pay", 0, 100).fails("no").event("exception", 100, told)];
    assert_block(
        &drawn(100, false, &spans),
        "
━━ shop ▸ pay  100µs · 1 span · 1 failed · trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ pay  Declined: no                  100µs  100%  ━━━━━━━━━━━━━━━━
   ↳ the host
     is gone
   ↳ timeout

",
    );
}

#[test]
fn an_error_of_another_text_is_told_again() {
    let spans = [
        span(1, 0, "outer", 0, 300).fails("the order was not placed"),
        span(2, 1, "inner", 0, 100).fails("no such file"),
        span(3, 1, "silent", 100, 200).fails(""),
    ];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ outer  300µs · 3 spans · 3 failed
   trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ outer  the order was not placed    300µs  100%  ━━━━━━━━━━  self 100µs
├─ ✗ inner  no such file             100µs   33%  ━━━╸
└─ ✗ silent  failed                  100µs   33%     ╺━━╸

",
    );
}

#[test]
fn a_panic_shows_its_own_place_and_not_the_functions() {
    let spans = [span(1, 0, "job", 0, 100)
        .fails("index out of bounds: the len is 3 but the index is 7")
        .attr("error.type", "panic")
        .attr("code.file.path", "src/job.rs")
        .attr("code.line.number", 3)
        .event(
            "exception",
            99,
            exception("panic", "index out of bounds: the len is 3 but the index is 7", "at src/job.rs:9:17"),
        )];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ job  100µs · 1 span · 1 failed
   trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ job                                100µs  100%  ━━━━━━━━━━
   panic: index out of bounds: the len is 3 but the index is 7
   at src/job.rs:9:17

",
    );
}

#[test]
fn an_expected_error_is_an_event_and_no_failure() {
    let spans =
        [span(1, 0, "find", 0, 100).event("exception", 60, exception("NotFound", "no such user", ""))];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ find  100µs · 1 span · trace 4bf92f3577b34da6a3ce929d0e0e4736
find                                 100µs  100%  ━━━━━━━━━━
   • +60.0µs  NotFound: no such user

",
    );
}

#[test]
fn a_long_error_is_broken_into_lines_and_then_cut() {
    let text = "the quick brown fox jumps over the lazy dog and ".repeat(10);
    let mut spans = [span(1, 0, "run", 0, 100)];
    spans[0].status = Status::error(text);
    assert_block(
        &drawn(60, false, &spans),
        "
━━ shop ▸ run  100µs · 1 span · 1 failed
   trace 4bf92f3577b34da6a3ce929d0e0e4736
✗ run                                100µs  100%  ━━━━━━━━━━
   the quick brown fox jumps over the lazy dog and the quick
   brown fox jumps over the lazy dog and the quick brown fox
   jumps over the lazy dog and the quick brown fox jumps …

",
    );
}

#[test]
fn a_foreign_stack_trace_is_cut_to_its_beginning() {
    let frames: Vec<String> = (0..40).map(|frame| format!("   {frame}: frame")).collect();
    let mut event = exception("Error", "boom", "");
    event[2] = KeyValue::new("exception.stacktrace", format!("boom\n{}", frames.join("\n")));
    let block = drawn(80, false, &[span(1, 0, "run", 0, 9).fails("boom").event("exception", 9, event)]);
    assert!(block.contains("   7: frame\n   … 32 more lines\n"), "{block}");
}

#[test]
fn values_show_their_types() {
    let list = |items: &[&'static str]| {
        Value::Array(Array::String(items.iter().map(|&item| StringValue::from(item)).collect()))
    };
    let shown = |value: Value| text::value(&value, 80);
    for (value, expected) in [
        (Value::from("plain"), "plain"),
        (Value::from("/search?q=1&r=[2]"), "/search?q=1&r=[2]"),
        (Value::from("C:\\temp"), "C:\\temp"),
        (Value::from("two words"), "\"two words\""),
        (Value::from(""), "\"\""),
        (Value::from("42"), "\"42\""),
        (Value::from("1e5"), "\"1e5\""),
        (Value::from("NaN"), "\"NaN\""),
        (Value::from("true"), "\"true\""),
        (Value::from("[1, 2]"), "\"[1, 2]\""),
        (Value::from("say \"hi\""), "\"say \\\"hi\\\"\""),
        (Value::from("a\\b\nc"), "\"a\\\\b\\nc\""),
        (Value::from(42), "42"),
        (Value::from(true), "true"),
        (Value::from(2.0), "2.0"),
        (Value::from(f64::NAN), "NaN"),
        (Value::Array(Array::I64(vec![1, 2])), "[1, 2]"),
        (Value::Array(Array::F64(vec![1.0, 0.5])), "[1.0, 0.5]"),
        (Value::Array(Array::Bool(vec![true])), "[true]"),
        (list(&["a", "b c", "1", "x,y", "z]"]), "[a, \"b c\", \"1\", \"x,y\", \"z]\"]"),
        (list(&[]), "[]"),
    ] {
        assert_eq!(shown(value), expected);
    }
}

#[test]
fn text_is_cut_by_columns_and_never_within_a_character() {
    let cut = |text: &'static str, most| text::value(&Value::from(text), most);
    assert_eq!(cut("abcdef", 6), "abcdef");
    assert_eq!(cut("abcdef", 5), "abcd…");
    assert_eq!(cut("日本語", 6), "日本語");
    assert_eq!(cut("日本語", 5), "日本…");
    // The second character would need the fourth column, where the ellipsis must stand.
    assert_eq!(cut("日本語", 4), "日…");
    assert_eq!(cut("ab\u{1b}cd", 7), "\"ab…", "an escape is not torn apart");
    assert_eq!(cut("abc", 1), "…");
    assert_eq!(cut("abc", 0), "");
    let heap = "e".to_owned() + &"\u{301}".repeat(1_000_000);
    assert!(text::value(&Value::from(heap), 10).len() < 100, "combining characters are cut too");
}

#[test]
fn durations_have_three_digits() {
    for (nanos, expected) in [
        (0, "0ns"),
        (999, "999ns"),
        (1_000, "1.00µs"),
        (12_345, "12.3µs"),
        (999_499, "999µs"),
        (999_500, "1.00ms"),
        (9_995_000, "10.0ms"),
        (182_400_000, "182ms"),
        (999_499_999, "999ms"),
        (999_500_000, "1.00s"),
        (59_949_999_999, "59.9s"),
        (59_950_000_000, "1m00s"),
        (3_599_400_000_000, "59m59s"),
        (3_599_500_000_000, "1h00m"),
        (7_384_000_000_000, "2h03m"),
        (359_999_000_000_000, "99h59m"),
        (360_000_000_000_000, "4d"),
        (u64::MAX, "213503d"),
    ] {
        assert_eq!(text::duration(nanos), expected);
    }
    assert_eq!(text::share(1, 3), "33%");
    assert_eq!(text::share(1, 1_000), "<1%");
    assert_eq!(text::share(0, 1_000), "0%");
    assert_eq!(text::share(30, 3), ">10×");
    assert_eq!(text::share(u64::MAX, u64::MAX), "100%");
}

#[test]
fn what_a_client_sends_cannot_act_on_the_terminal() {
    const ATTACK: &str =
        "\x1b[2J\x07\r\n\t\u{9b}31m\u{202e}gnp\u{2066}\u{200b}\u{2028}\u{feff}\u{7f}\u{e0041}";
    let told = vec![
        KeyValue::new("exception.type", ATTACK),
        KeyValue::new("exception.message", ATTACK),
        KeyValue::new("exception.stacktrace", ATTACK),
        KeyValue::new(ATTACK, ATTACK),
    ];
    let mut spans = vec![
        span(1, 0, ATTACK, 0, 100).fails(ATTACK).attr(ATTACK, ATTACK).event("exception", 9, told.clone()),
        span(2, 1, ATTACK, 0, 100)
            .attr("list", Value::Array(Array::String(vec![ATTACK.into()])))
            .attr("code.file.path", ATTACK)
            .fails("other")
            .event(ATTACK, 3, told),
    ];
    spans[0].links.links.push(Link::new(context(5, 6), vec![KeyValue::new(ATTACK, ATTACK)], 0));
    for width in [44, 60, 100, 200] {
        let block = drawn(width, false, &spans);
        let acts = |c: char| c != '\n' && (c.is_control() || ATTACK.contains(c) && !c.is_ascii());
        assert!(!block.contains(acts), "{block:?}");
    }
    let page = Page::new(None, false);
    let open = [OpenSpan { name: ATTACK.into(), span_context: context(1, 2), started: at(0) }];
    assert!(!list_open(&page, &open, at(1)).contains(|c: char| c != '\n' && c.is_control()));
}

#[test]
fn circles_and_twins_are_all_shown() {
    let spans = [
        span(1, 2, "one", 10, 40),
        span(2, 1, "two", 20, 30),
        span(3, 3, "itself", 50, 60),
        span(4, 0, "root", 0, 100),
        span(4, 0, "twin", 5, 90),
        span(5, 4, "child", 20, 30),
    ];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ root  100µs · 6 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
root                                 100µs  100%  ━━━━━━━━━━  self 90.0µs
└─ child                            10.0µs   10%    ━
twin                                85.0µs  100%  ╺━━━━━━━━
(parents in a circle)
├─ one                              30.0µs   30%   ━━━        self 20.0µs
│  └─ two                           10.0µs   10%    ━
└─ itself                           10.0µs   10%       ━

",
    );
}

#[test]
fn a_caller_in_the_same_process_is_the_parent_though_it_was_remote() {
    let spans = [
        span(1, 0, "GET /a", 0, 100).kind(SpanKind::Client),
        span(2, 1, "GET /a", 10, 90).kind(SpanKind::Server).remote(),
    ];
    assert_block(
        &drawn(80, false, &spans),
        "
━━ shop ▸ GET /a  100µs · 2 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
GET /a  client                       100µs  100%  ━━━━━━━━━━  self 20.0µs
└─ GET /a  server                   80.0µs   80%   ━━━━━━━━

",
    );
}

#[test]
fn any_trace_fits_its_page_and_loses_no_span() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..300 {
        let number = 1 + random(60);
        let ids = 1 + random(80);
        let spans: Vec<SpanData> = (0..number)
            .map(|_| {
                let start = random(1_000);
                let name = ["a", "b", "a long name that needs room", "日本語の名前"]
                    [usize::try_from(random(4)).unwrap()];
                let mut span = span(1 + random(ids), random(ids), name, start, random(1_500));
                if random(4) == 0 {
                    span = span.fails(
                        ["x", "a longer text that says what went wrong here"]
                            [usize::try_from(random(2)).unwrap()],
                    );
                }
                if random(3) == 0 {
                    span = span.attr(
                        "user.name",
                        "日本語の長い名前 and more of it, so that it must be cut somewhere",
                    );
                }
                if random(3) == 0 {
                    span = span.attr("n", 7).event("e", random(2_000), vec![KeyValue::new("k", "v w")]);
                }
                span
            })
            .collect();
        for width in [44, 57, 80, 100, 140] {
            let block = drawn(width, false, &spans);
            for line in block.lines() {
                assert!(columns_of(line) <= width, "round {round}, {width} columns:\n{block}");
                assert!(!line.ends_with(' '), "round {round}:\n{block}");
            }
            let tree = tree::Tree::new(&spans);
            let mut rows: Vec<tree::Run> = Vec::new();
            for top in &tree.tops {
                match top {
                    tree::Top::Root(root) => rows.push(vec![*root]),
                    tree::Top::Orphans { runs, .. } => rows.extend(runs.clone()),
                }
            }
            let mut shown = 0;
            while let Some(run) = rows.pop() {
                shown += run.len();
                rows.extend(tree.children(&run));
            }
            assert_eq!(shown, spans.len(), "round {round}:\n{block}");
        }
    }
}

#[test]
fn the_deepest_trace_does_not_overflow() {
    let spans: Vec<SpanData> = (1..=10_000).map(|id| span(id, id - 1, "level", id, 30_000 - id)).collect();
    let block = drawn(80, false, &spans);
    assert_eq!(block.lines().count(), 10_002);
    assert!(block.lines().all(|line| columns_of(line) <= 80));
    assert!(block.contains("⋯9999 level"), "the depth is told where it is not drawn");
}

#[test]
fn a_hundred_thousand_spans_are_drawn() {
    let mut spans = vec![span(1, 0, "root", 0, 1_000_000)];
    spans.extend((2..=50_000).map(|id| span(id, 1, "equal", id, id + 10)));
    spans.extend((50_001..=100_000).map(|id| span(id, 1, format!("own {id}"), id, id + 10)));
    let block = drawn(100, false, &spans);
    assert_eq!(block.lines().count(), 50_004);
    assert!(block.contains("equal ×49999"), "equal ones are one line");
}

#[test]
fn a_trace_waits_for_its_root_and_is_one_write() {
    let (console, screen) = console();
    ready(console.export(vec![span(3, 2, "grandchild", 20, 30)])).unwrap();
    ready(console.export(vec![span(2, 1, "child", 10, 40), span(9, 0, "other", 0, 1).of_trace(9)])).unwrap();
    assert_eq!(screen.titles(), ["━━ other  1.00µs · 1 span · trace 00000000000000000000000000000009"]);
    ready(console.export(vec![span(1, 0, "root", 0, 50)])).unwrap();
    let blocks = screen.take();
    assert_eq!(blocks.len(), 1, "one write");
    assert_block(
        &blocks[0],
        "
━━ root  50.0µs · 3 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
root                                50.0µs  100%  ━━━━━━━━━━━━━━━━  self 20.0µs
└─ child                            30.0µs   60%     ━━━━━━━━━━     self 20.0µs
   └─ grandchild                    10.0µs   20%        ╺━━╸

",
    );
    console.shutdown().unwrap();
    assert!(screen.take().is_empty());
}

#[test]
fn a_trace_waits_for_its_open_spans() {
    let (mut console, screen) = console();
    let open = Arc::new(AtomicUsize::new(1));
    let counted = Arc::clone(&open);
    console.open_spans(Arc::new(move |_| counted.load(Ordering::Relaxed)));
    ready(console.export(vec![span(1, 0, "root", 0, 50)])).unwrap();
    assert!(screen.take().is_empty());
    // Nothing of this trace comes any more: another one's export finds it complete.
    open.store(0, Ordering::Relaxed);
    ready(console.export(vec![span(8, 5, "child", 0, 1).of_trace(9)])).unwrap();
    assert_eq!(screen.titles(), [format!("━━ root  50.0µs · 1 span · trace {TRACE:032x}")]);
}

#[test]
fn a_flush_does_not_wait_for_open_spans() {
    let (mut console, screen) = console();
    console.open_spans(Arc::new(|_| 2));
    ready(console.export(vec![span(1, 0, "root", 0, 50), span(3, 2, "grandchild", 20, 30)])).unwrap();
    ready(console.export(vec![span(8, 5, "rootless", 0, 1).of_trace(9)])).unwrap();
    console.force_flush().unwrap();
    let blocks = screen.take();
    assert_eq!(blocks.len(), 1, "what has no root waits on");
    assert_block(
        &blocks[0],
        "
━━ root  50.0µs · 2 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
   2 spans still open
root                                50.0µs  100%  ━━━━━━━━━━━━━━━━
(parent not seen)  0000000000000002
└─ grandchild                       10.0µs   20%        ╺━━╸

",
    );
}

#[test]
fn what_comes_after_its_root_is_printed_as_late() {
    let (console, screen) = console();
    ready(console.export(vec![span(1, 0, "root", 0, 50)])).unwrap();
    screen.take();
    ready(console.export(vec![span(2, 1, "straggler", 10, 90)])).unwrap();
    let blocks = screen.take();
    assert_eq!(blocks.len(), 1);
    assert_block(
        &blocks[0],
        "
━━ (late spans)  80.0µs · 1 span · trace 4bf92f3577b34da6a3ce929d0e0e4736
(parent not here)  0000000000000001
└─ straggler                        80.0µs  100%  ━━━━━━━━━━━━━━━━

",
    );
}

#[test]
fn a_shutdown_prints_all_that_waits_and_ends_it() {
    let (console, screen) = console();
    ready(console.export(vec![span(3, 2, "orphan", 20, 30), span(4, 2, "another", 30, 40)])).unwrap();
    console.shutdown().unwrap();
    let blocks = screen.take();
    assert_eq!(blocks.len(), 1);
    assert_block(
        &blocks[0],
        "
━━ (root not seen)  20.0µs · 2 spans · trace 4bf92f3577b34da6a3ce929d0e0e4736
(parent not seen)  0000000000000002
├─ orphan                           10.0µs   50%  ━━━━━━━━
└─ another                          10.0µs   50%          ━━━━━━━━

",
    );
    assert!(matches!(console.shutdown(), Err(OTelSdkError::AlreadyShutdown)));
    assert!(matches!(console.force_flush(), Err(OTelSdkError::AlreadyShutdown)));
    assert!(matches!(ready(console.export(Vec::new())), Err(OTelSdkError::AlreadyShutdown)));
}

#[test]
fn too_much_waiting_prints_the_oldest() {
    let (console, screen) = console();
    let most = u64::try_from(buffer::MOST_SPANS).unwrap();
    let waiting = |trace: u64| span(trace, 7, "waiting", 0, 1).of_trace(u128::from(trace));
    ready(console.export((1..=most).map(waiting).collect())).unwrap();
    assert!(screen.take().is_empty());
    ready(console.export(vec![waiting(most + 1)])).unwrap();
    let blocks = screen.take();
    assert_eq!(blocks.len(), 1);
    assert_block(
        &blocks[0],
        "
━━ (root not seen)  1.00µs · 1 span · trace 00000000000000000000000000000001
   too many spans are waiting: this is what has come so far
(parent not seen)  0000000000000007
└─ waiting                          1.00µs  100%  ━━━━━━━━━━━━━━━━

",
    );
}

#[test]
fn nobody_reading_is_reported_once() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let console = Console::new().writer(Closed);
    let root = || vec![span(1, 0, "root", 0, 50)];
    let error = ready(console.export(root())).unwrap_err();
    assert_eq!(error.to_string(), "Operation failed: the console cannot be written to: broken pipe");
    ready(console.export(root())).unwrap();
    console.force_flush().unwrap();
    console.shutdown().unwrap();
}

#[test]
fn the_service_stands_in_the_title() {
    let (mut console, screen) = console();
    console.set_resource(&Resource::builder_empty().with_service_name("checkout").build());
    ready(console.export(vec![span(1, 0, "root", 0, 50)])).unwrap();
    assert_eq!(screen.titles(), [format!("━━ checkout ▸ root  50.0µs · 1 span · trace {TRACE:032x}")]);
}

#[test]
fn open_spans_are_listed_oldest_first() {
    let open = |name: &'static str, started| OpenSpan {
        name: name.into(),
        span_context: context(TRACE, 1),
        started: at(started),
    };
    assert_eq!(render_open(&[]), "");
    let page = Page::new(None, false);
    let now = at(90_000_000);
    let few = [open("charge_card", 1_200_000), open("POST /orders", 0), open("from the future", 91_000_000)];
    assert_block(
        &list_open(&page, &few, now),
        "
━━ 3 spans still open
    1m30s  POST /orders     trace 4bf92f3577b34da6a3ce929d0e0e4736
    1m29s  charge_card      trace 4bf92f3577b34da6a3ce929d0e0e4736
      0ns  from the future  trace 4bf92f3577b34da6a3ce929d0e0e4736
",
    );
    let many: Vec<OpenSpan> = (0..25).map(|start| open("stuck", start)).collect();
    let list = list_open(&page, &many, now);
    assert_eq!(list.lines().count(), 22);
    assert!(list.ends_with("   … and 5 more\n"), "{list}");
}

#[test]
fn the_environment_decides_on_colours() {
    let wants = |said: &[(&str, &str)], is_terminal| {
        let said: HashMap<String, OsString> =
            said.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        terminal::wants_colour(|name| said.get(name).cloned(), is_terminal)
    };
    assert!(wants(&[], true));
    assert!(!wants(&[], false));
    assert!(!wants(&[("NO_COLOR", "1")], true));
    assert!(!wants(&[("NO_COLOR", "0")], true), "any value");
    assert!(wants(&[("NO_COLOR", "")], true), "but an empty one");
    assert!(!wants(&[("TERM", "dumb")], true));
    assert!(wants(&[("TERM", "xterm-256color")], true));
    assert!(wants(&[("FORCE_COLOR", "1")], false));
    assert!(wants(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false));
    assert!(!wants(&[("FORCE_COLOR", "0"), ("CLICOLOR_FORCE", "0")], false));
    assert!(!wants(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], true), "no means no");
}

#[test]
fn the_environment_tells_the_width_before_the_terminal_does() {
    let columns = |said: Option<&'static str>, terminal| {
        terminal::columns(|name| said.filter(|_| name == "COLUMNS").map(Into::into), || terminal)
    };
    assert_eq!(columns(Some("132"), Some(80)), Some(132));
    assert_eq!(columns(Some("132"), None), Some(132));
    for nothing in [None, Some(""), Some("0"), Some("wide"), Some("-1")] {
        assert_eq!(columns(nothing, Some(80)), Some(80));
        assert_eq!(columns(nothing, None), None);
    }
    assert_eq!(Page::new(None, false).width, 100);
    assert_eq!(Page::new(Some(3), false).width, 44);
    assert_eq!(Page::new(Some(usize::MAX), false).width, 1_000);
}

//! What is said about one span, or about equal siblings: the name, the failure, the facts, what happened.
//!
//! Everything is put into words and cut to the page here; where on the page it comes is decided in `page`.

use std::collections::HashSet;
use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::failure::{Exception, Failure, place, sentence};
use super::terminal::{Page, Palette};
use super::text::{self, Ink, Text};
use super::tree::{self, Run, Tree, attribute};

/// What the call site says, the same for every call: too much for a tree that is read.
const PLACE: [&str; 3] = ["code.function.name", "code.file.path", "code.line.number"];
/// A foreign stack trace has a hundred lines; the first ones say it.
const MOST_CAUSES: usize = 8;
const GAP: &str = "  ";

/// A line of the tree and what belongs under it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) head: Text,
    /// What every line below begins with.
    pub(super) under: Text,
    /// The error's text, uncoloured since it may be broken into lines, and where it came from.
    pub(super) failure: Option<(String, Option<Text>)>,
    pub(super) causes: Vec<Text>,
    /// What did not fit beside the name, and how the time of folded spans is spread.
    pub(super) tally: Vec<Text>,
    /// Beside the name if there is room, else below.
    pub(super) facts: Vec<Text>,
    /// Events and links; each is a line of its own, or several.
    pub(super) happenings: Vec<Vec<Text>>,
    pub(super) ink: Ink,
}

/// Where a line stands.
pub(super) struct Spot {
    /// Guides and branch before the name.
    pub(super) lead: Text,
    pub(super) under: Text,
    /// Columns from the left edge that the name may take.
    pub(super) room: usize,
    /// Whether its parent, if it has one, is not on the page.
    pub(super) is_top: bool,
}

impl Line {
    /// A line that stands for spans which are not there.
    pub(super) fn note(page: &Page, head: Text) -> Self {
        Self {
            head,
            under: Text::default(),
            failure: None,
            causes: Vec::new(),
            tally: Vec::new(),
            facts: Vec::new(),
            happenings: Vec::new(),
            ink: page.palette.warning,
        }
    }

    pub(super) fn new(page: &Page, tree: &Tree<'_>, run: &Run, first: usize, spot: Spot) -> Self {
        let span = &tree.spans[first];
        let ink = page.palette;
        let failed = matches!(span.status, Status::Error { .. });
        let cancelled = tree::is_cancelled(span);
        let teller = Teller { page, width: page.width.saturating_sub(spot.under.width()) };
        let (head, mut tally) = head(&ink, span, run.len(), spot.lead, spot.room);

        let mut facts = Vec::new();
        if run.len() > 1 {
            tally.push(Text::of(ink.faint, &spread(tree, run)));
        } else if spot.is_top && span.parent_span_id != SpanId::INVALID {
            facts.push(Text::of(ink.faint, &format!("remote parent {}", span.parent_span_id)));
        }

        let failure = Failure::of(tree, first);
        let hidden = |key: &str| {
            PLACE.contains(&key)
                || failure.is_some() && key == "error.type"
                || cancelled && key == "cancelled"
        };
        facts.extend(teller.attributes(tree, run, span, hidden));

        let mut line = Self {
            head,
            under: spot.under,
            failure: None,
            causes: Vec::new(),
            tally,
            facts,
            happenings: Vec::new(),
            ink: if failed {
                ink.failed
            } else if cancelled {
                ink.warning
            } else {
                ink.bar
            },
        };
        let mut told = None;
        if let Some(Failure { text, exception }) = failure {
            let place = exception
                .as_ref()
                .is_none_or(|(_, exception)| !exception.names_place())
                .then(|| place(&span.attributes))
                .flatten();
            line.failure = text.map(|text| (text, place.map(|place| teller.short(ink.faint, &place))));
            if let Some((position, exception)) = exception {
                told = Some(position);
                line.causes = teller.causes(&exception);
                line.facts.extend(exception.others().map(|pair| teller.pair(pair)));
            }
        }
        line.happenings = teller.happenings(span, told, run.len());
        line
    }
}

/// Name, count, kind and outcome in the room there is, and what of it found none.
fn head(ink: &Palette, span: &SpanData, times: usize, lead: Text, room: usize) -> (Text, Vec<Text>) {
    let failed = matches!(span.status, Status::Error { .. });
    let mut head = lead;
    if failed {
        head.put(ink.failed, "✗ ");
    }
    let name_ink = if failed { ink.failed_name } else { ink.name };
    head.put_cut(name_ink, name(span), room.saturating_sub(head.width()));

    let count = (times > 1).then(|| (" ", Text::of(ink.plain, &format!("×{times}"))));
    let kind = kind(&span.span_kind).map(|kind| (GAP, Text::of(ink.kind, kind)));
    let cancelled = tree::is_cancelled(span).then(|| (GAP, Text::of(ink.warning, "cancelled")));
    let mut rest = Vec::new();
    for (gap, mark) in [count, kind, cancelled].into_iter().flatten() {
        if rest.is_empty() && head.width() + gap.len() + mark.width() <= room {
            head.put(ink.plain, gap);
            head.append(&mark);
        } else {
            rest.push(mark);
        }
    }
    (head, rest)
}

/// What a span is called; nothing at all could not be seen.
pub(super) fn name(span: &SpanData) -> &str {
    if span.name.is_empty() { "(no name)" } else { &span.name }
}

fn kind(kind: &SpanKind) -> Option<&'static str> {
    match kind {
        SpanKind::Internal => None,
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
    }
}

/// How the time of equal siblings is spread. Their line shows the time together; where they ran at the same
/// time, their sum is another number and is told as well.
fn spread(tree: &Tree<'_>, run: &Run) -> String {
    let durations = || run.iter().map(|&at| tree.duration(at));
    let total: u64 = durations().fold(0, u64::saturating_add);
    let mean = total / u64::try_from(run.len()).unwrap_or(u64::MAX).max(1);
    let [total, together, mean, most] =
        [total, tree::length(&tree.covered(run)), mean, durations().max().unwrap_or(0)].map(text::duration);
    let sum = if total == together { String::new() } else { format!("total {total}{GAP}") };
    format!("{sum}avg {mean}{GAP}max {most}")
}

/// Puts things into words for a page, none longer than the room under a line.
struct Teller<'a> {
    page: &'a Page,
    width: usize,
}

impl Teller<'_> {
    fn ink(&self) -> &Palette {
        &self.page.palette
    }

    fn short(&self, ink: Ink, text: &str) -> Text {
        Text::cut(ink, text, self.width)
    }

    fn key(&self, key: &str) -> Text {
        let mut text = Text::cut(self.ink().faint, key, self.width * 2 / 3);
        text.put(self.ink().faint, "=");
        text
    }

    fn pair(&self, pair: &KeyValue) -> Text {
        let mut text = self.key(pair.key.as_str());
        let room = self.width.saturating_sub(text.width());
        text.put(self.ink().plain, &text::value(&pair.value, room));
        text
    }

    fn attributes(
        &self,
        tree: &Tree<'_>,
        run: &Run,
        span: &SpanData,
        hidden: impl Fn(&str) -> bool,
    ) -> Vec<Text> {
        let shown = span.attributes.iter().filter(|pair| !hidden(pair.key.as_str()));
        let mut facts: Vec<Text> = shown.map(|pair| self.common_pair(tree, run, pair)).collect();
        facts.extend(self.dropped(span.dropped_attributes_count, "attribute"));
        facts
    }

    /// An attribute of equal siblings: the value they share, the range of their numbers, or how many there are.
    fn common_pair(&self, tree: &Tree<'_>, run: &Run, pair: &KeyValue) -> Text {
        let key = pair.key.as_str();
        let values = || run.iter().map(|&at| attribute(&tree.spans[at].attributes, key));
        if run.len() == 1 || values().all(|value| value == Some(&pair.value)) {
            return self.pair(pair);
        }
        let number = |value: Option<&Value>| match value {
            Some(Value::I64(number)) => Some(*number),
            _ => None,
        };
        let numbers: Option<Vec<i64>> = values().map(number).collect();
        let range = numbers.and_then(|numbers| Some((*numbers.iter().min()?, *numbers.iter().max()?)));
        let mut text = self.key(key);
        let summary = if let Some((least, most)) = range {
            format!("{least}…{most}")
        } else {
            let different: HashSet<_> = values().flatten().map(Value::as_str).collect();
            format!("({} values)", different.len())
        };
        text.put_cut(self.ink().plain, &summary, self.width.saturating_sub(text.width()));
        text
    }

    fn dropped(&self, number: u32, noun: &str) -> Option<Text> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let text = || format!("{} dropped", text::count(number, noun));
        (number > 0).then(|| Text::of(self.ink().warning, &text()))
    }

    /// What caused an error, outermost first.
    fn causes(&self, exception: &Exception<'_>) -> Vec<Text> {
        // The text begins with the error itself, which has been told.
        let trace = exception.trace.strip_prefix(&*exception.message).unwrap_or(&exception.trace);
        let known = sentence(&exception.kind, &exception.message);
        let mut lines = trace.lines().map(str::trim).filter(|line| !line.is_empty() && **line != known);
        let mut causes: Vec<Text> = Vec::new();
        for line in lines.by_ref().take(MOST_CAUSES) {
            let (mark, ink, text) = match line.get(.."caused by: ".len()) {
                Some(start) if start.eq_ignore_ascii_case("caused by: ") => {
                    ("↳ ", self.ink().failed, &line[start.len()..])
                }
                _ if causes.is_empty() => ("", self.ink().faint, line),
                // More of the cause before it.
                _ => ("  ", self.ink().faint, line),
            };
            let mut cause = Text::of(self.ink().failed, mark);
            cause.put_cut(ink, text, self.width.saturating_sub(cause.width()));
            causes.push(cause);
        }
        match lines.count() {
            0 => {}
            more => causes.push(Text::of(self.ink().faint, &format!("… {}", text::count(more, "more line")))),
        }
        causes
    }

    /// An event as the items of a line; of an error that did not fail the span, with its causes.
    fn event(&self, event: &Event, began: SystemTime, times: usize) -> Vec<Text> {
        let mut first = Text::of(self.ink().bar, "• ");
        if times == 1 {
            first.put(self.ink().faint, &offset(began, event.timestamp));
            first.put(self.ink().plain, GAP);
        }
        let room = self.width.saturating_sub(first.width());
        let mut items = Vec::new();
        if let Some(exception) = Exception::of(event) {
            first.put_cut(self.ink().warning, &sentence(&exception.kind, &exception.message), room);
            items.push(first);
            items.extend(exception.others().map(|pair| self.pair(pair)));
            items.extend(self.causes(&exception));
        } else {
            first.put_cut(self.ink().plain, &event.name, room);
            items.push(first);
            if times == 1 {
                items.extend(event.attributes.iter().map(|pair| self.pair(pair)));
            }
        }
        if times > 1 {
            items.push(Text::of(self.ink().plain, &format!("×{times}")));
        }
        items.extend(self.dropped(event.dropped_attributes_count, "attribute"));
        items
    }

    /// Events and links, without the event that was told as the failure.
    fn happenings(&self, span: &SpanData, told: Option<usize>, times: usize) -> Vec<Vec<Text>> {
        let events = span.events.iter().enumerate().filter(|&(position, _)| told != Some(position));
        let mut lines: Vec<_> = events.map(|(_, event)| self.event(event, span.start_time, times)).collect();
        lines.extend(self.dropped(span.events.dropped_count, "event").map(|text| vec![text]));
        if times == 1 {
            lines.extend(span.links.iter().map(|link| self.link(link)));
        } else if !span.links.is_empty() {
            let text = format!("→ {} each", text::count(span.links.len(), "link"));
            lines.push(vec![Text::of(self.ink().faint, &text)]);
        }
        lines.extend(self.dropped(span.links.dropped_count, "link").map(|text| vec![text]));
        lines
    }

    fn link(&self, link: &Link) -> Vec<Text> {
        let to = &link.span_context;
        let mut first = Text::of(self.ink().bar, "→ ");
        first.put_cut(
            self.ink().faint,
            &format!("trace {} span {}", to.trace_id(), to.span_id()),
            self.width.saturating_sub(first.width()),
        );
        let mut items = vec![first];
        items.extend(link.attributes.iter().map(|pair| self.pair(pair)));
        items.extend(self.dropped(link.dropped_attributes_count, "attribute"));
        items
    }
}

/// When an event was, seen from its span's start.
fn offset(began: SystemTime, time: SystemTime) -> String {
    let (sign, distance) = match time.duration_since(began) {
        Ok(after) => ('+', after),
        Err(before) => ('-', before.duration()),
    };
    format!("{sign}{}", text::duration(u64::try_from(distance.as_nanos()).unwrap_or(u64::MAX)))
}

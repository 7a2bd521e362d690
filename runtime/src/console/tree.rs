//! The shape of a trace: who hangs under whom, what is alike, and how long it took.
//!
//! Takes spans as they come: without their parents, with parents in a circle, with the same id twice, with clocks
//! that went backwards. Nothing here recurses, because a trace may be deeper than any stack. Knows no text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::{self, Discriminant};
use std::time::SystemTime;

use opentelemetry::Value;
use opentelemetry::trace::{Event, SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

use crate::keep::is_local_root;

/// From this many on, equal siblings are shown as one.
const FOLD: usize = 3;

/// A stretch of time, in nanoseconds since the trace began.
pub(super) type Interval = (u64, u64);

/// Spans shown as one line: a single one, or equal siblings by start.
pub(super) type Run = Vec<usize>;

/// What stands at the left edge.
#[derive(Debug)]
pub(super) enum Top {
    /// A span without a parent in this process.
    Root(usize),
    /// Spans whose parent is not among these; `None` where parents run in a circle.
    Orphans { parent: Option<SpanId>, runs: Vec<Run> },
}

/// The spans of one trace in order.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) spans: &'a [SpanData],
    pub(super) tops: Vec<Top>,
    /// From the first start to the last end.
    pub(super) window: u64,
    times: Vec<Interval>,
    runs: Vec<Vec<Run>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(spans: &'a [SpanData]) -> Self {
        let began = spans.iter().map(|span| span.start_time).min().unwrap_or(SystemTime::UNIX_EPOCH);
        let times: Vec<Interval> = spans
            .iter()
            .map(|span| {
                let start = nanos_since(began, span.start_time);
                (start, nanos_since(began, span.end_time).max(start))
            })
            .collect();
        let window = times.iter().map(|&(_, end)| end).max().unwrap_or(0);

        let mut by_start: Vec<usize> = (0..spans.len()).collect();
        by_start.sort_by_key(|&at| times.get(at).copied());
        let (parents, circular) = parents(spans, &by_start);

        let mut children = vec![Vec::new(); spans.len()];
        let mut tops = Vec::new();
        let mut orphans: HashMap<Option<SpanId>, usize> = HashMap::new();
        for &at in &by_start {
            let span = &spans[at];
            if let Some(parent) = parents[at] {
                children[parent].push(at);
            } else if is_local_root(span) && !circular[at] {
                tops.push(Top::Root(at));
            } else {
                let parent = (!circular[at]).then_some(span.parent_span_id);
                let group = *orphans.entry(parent).or_insert_with(|| {
                    tops.push(Top::Orphans { parent, runs: Vec::new() });
                    tops.len() - 1
                });
                if let Top::Orphans { runs, .. } = &mut tops[group] {
                    runs.push(vec![at]);
                }
            }
        }

        let (shapes, runs) = shapes(spans, &children, &tops);
        for top in &mut tops {
            if let Top::Orphans { runs, .. } = top {
                let members: Vec<usize> = runs.iter().flatten().copied().collect();
                *runs = fold(&members, &shapes);
            }
        }
        Self { spans, tops, window, times, runs }
    }

    /// The children of a run, line by line: where its members are folded, so are theirs.
    pub(super) fn children(&self, run: &Run) -> Vec<Run> {
        match run.as_slice() {
            [] => Vec::new(),
            &[only] => self.runs[only].clone(),
            &[first, ..] => (0..self.runs[first].len())
                .map(|line| run.iter().filter_map(|&at| self.runs[at].get(line)).flatten().copied().collect())
                .collect(),
        }
    }

    pub(super) fn has_children(&self, run: &Run) -> bool {
        run.iter().any(|&at| !self.runs[at].is_empty())
    }

    /// The direct children of one span.
    pub(super) fn children_of(&self, at: usize) -> impl Iterator<Item = &'a SpanData> {
        self.runs[at].iter().flatten().map(|&child| &self.spans[child])
    }

    pub(super) fn duration(&self, at: usize) -> u64 {
        let (start, end) = self.times[at];
        end - start
    }

    /// When the spans of a run were at work, without overlaps.
    pub(super) fn covered(&self, run: &Run) -> Vec<Interval> {
        union(run.iter().map(|&at| self.times[at]).collect())
    }

    /// The time in a run's spans that is in none of their children.
    pub(super) fn self_time(&self, run: &Run) -> u64 {
        let own = self.covered(run);
        let children = run.iter().flat_map(|&at| self.runs[at].iter().flatten());
        let theirs = union(children.map(|&child| self.times[child]).collect());
        length(&own) - common(&own, &theirs)
    }
}

/// Whether the `cancelled` attribute says so.
pub(super) fn is_cancelled(span: &SpanData) -> bool {
    attribute(&span.attributes, "cancelled").is_some_and(|value| *value == Value::Bool(true))
}

/// The value under a key.
pub(super) fn attribute<'a>(attributes: &'a [opentelemetry::KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| &pair.value)
}

fn nanos_since(began: SystemTime, time: SystemTime) -> u64 {
    time.duration_since(began).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Whether the way up from a span has been walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    No,
    OnThisWay,
    Before,
}

/// Each span's parent among the others, and the spans at which a circle was cut open.
fn parents(spans: &[SpanData], by_start: &[usize]) -> (Vec<Option<usize>>, Vec<bool>) {
    let mut ids = HashMap::with_capacity(spans.len());
    for &at in by_start {
        // Of two spans with one id, the earlier has the children.
        ids.entry(spans[at].span_context.span_id()).or_insert(at);
    }
    let mut parents: Vec<Option<usize>> = spans
        .iter()
        .map(|span| ids.get(&span.parent_span_id).copied().filter(|_| span.parent_span_id != SpanId::INVALID))
        .collect();

    let mut seen = vec![Seen::No; spans.len()];
    let mut circular = vec![false; spans.len()];
    for &start in by_start {
        let mut way = Vec::new();
        let mut next = Some(start);
        while let Some(at) = next.filter(|&at| seen[at] == Seen::No) {
            seen[at] = Seen::OnThisWay;
            way.push(at);
            next = parents[at];
        }
        if let Some(met) = next.filter(|&at| seen[at] == Seen::OnThisWay) {
            let circle = way.iter().skip_while(|&&at| at != met);
            if let Some(&first) = circle.min_by_key(|&&at| spans[at].start_time) {
                parents[first] = None;
                circular[first] = true;
            }
        }
        for at in way {
            seen[at] = Seen::Before;
        }
    }
    (parents, circular)
}

/// Everything in which two spans must agree to be shown as one.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    name: &'a str,
    kind: Discriminant<SpanKind>,
    status: Discriminant<Status>,
    /// Type and text of the error.
    failure: (Cow<'a, str>, &'a str),
    cancelled: bool,
    events: Vec<(&'a str, Cow<'a, str>, Cow<'a, str>)>,
    links: usize,
    /// The lines below, and whether each stands for many.
    children: Vec<(usize, bool)>,
}

impl<'a> Shape<'a> {
    fn new(span: &'a SpanData, children: Vec<(usize, bool)>) -> Self {
        let text =
            |attributes: &'a [_], key| attribute(attributes, key).map_or(Cow::Borrowed(""), Value::as_str);
        let event = |event: &'a Event| {
            let said = |key| text(&event.attributes, key);
            (event.name.as_ref(), said("exception.type"), said("exception.message"))
        };
        Self {
            name: &span.name,
            kind: mem::discriminant(&span.span_kind),
            status: mem::discriminant(&span.status),
            failure: match &span.status {
                Status::Error { description } => (text(&span.attributes, "error.type"), description),
                Status::Unset | Status::Ok => (Cow::Borrowed(""), ""),
            },
            cancelled: is_cancelled(span),
            events: span.events.iter().map(event).collect(),
            links: span.links.len(),
            children,
        }
    }
}

/// A number for each span's shape, and its children by lines.
fn shapes(spans: &[SpanData], children: &[Vec<usize>], tops: &[Top]) -> (Vec<usize>, Vec<Vec<Run>>) {
    let mut parents_first: Vec<usize> = Vec::with_capacity(spans.len());
    for top in tops {
        match top {
            Top::Root(root) => parents_first.push(*root),
            Top::Orphans { runs, .. } => parents_first.extend(runs.iter().flatten()),
        }
    }
    let mut done = 0;
    while let Some(&at) = parents_first.get(done) {
        parents_first.extend(&children[at]);
        done += 1;
    }

    let mut known: HashMap<Shape<'_>, usize> = HashMap::new();
    let mut shapes = vec![0; spans.len()];
    let mut lines = vec![Vec::new(); spans.len()];
    for &at in parents_first.iter().rev() {
        let runs = fold(&children[at], &shapes);
        // How many a folded line stands for does not matter: pages of 97 and of 98 rows are alike.
        let below = runs.iter().filter_map(|run| Some((shapes[*run.first()?], run.len() > 1))).collect();
        let next = known.len();
        shapes[at] = *known.entry(Shape::new(&spans[at], below)).or_insert(next);
        lines[at] = runs;
    }
    (shapes, lines)
}

/// Siblings as lines: neighbours of one shape together where they are many, else each alone.
fn fold(siblings: &[usize], shapes: &[usize]) -> Vec<Run> {
    let mut runs = Vec::new();
    for alike in siblings.chunk_by(|&one, &other| shapes[one] == shapes[other]) {
        if alike.len() >= FOLD {
            runs.push(alike.to_vec());
        } else {
            runs.extend(alike.iter().map(|&at| vec![at]));
        }
    }
    runs
}

/// Intervals in order, with those that touch made one.
fn union(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut united: Vec<Interval> = Vec::new();
    for (start, end) in intervals {
        match united.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => united.push((start, end)),
        }
    }
    united
}

pub(super) fn length(intervals: &[Interval]) -> u64 {
    intervals.iter().map(|(start, end)| end - start).sum()
}

/// How long two unions overlap.
fn common(one: &[Interval], other: &[Interval]) -> u64 {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut total = 0;
    while let (Some(&&(a_start, a_end)), Some(&&(b_start, b_end))) = (one.peek(), other.peek()) {
        total += a_end.min(b_end).saturating_sub(a_start.max(b_start));
        if a_end < b_end {
            one.next()
        } else {
            other.next()
        };
    }
    total
}

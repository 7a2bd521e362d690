//! Lays a trace out on a page: the title, the tree on the left, the columns of time on the right.
//!
//! First every line is put into words, then the columns are placed beside the longest, so that a small trace is
//! not torn apart by a wide terminal. Walks the tree without recursion.

use opentelemetry::trace::{Status, TraceId};
use opentelemetry_sdk::trace::SpanData;

use super::bar;
use super::line::{Line, Spot, name};
use super::terminal::Page;
use super::text::{self, Ink, Text};
use super::tree::{self, Run, Top, Tree};

/// Facts beside a name may move the columns up to here, and no further.
const BESIDE: usize = 52;
/// The columns never stand further left, so that small traces under each other look alike. On a page of the
/// default width these end in column 79: where the terminal has 80 and does not say so, they still fit.
const LEAST_LEFT: usize = 34;
const GAP: usize = 2;
const DURATION: usize = 6;
const SHARE: usize = 4;
const SELF: usize = "self ".len() + DURATION;

/// Why a trace is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Its root has ended, or somebody did not want to wait.
    Ended,
    /// The root was printed before.
    Late,
    /// There was no room left.
    Full,
}

/// A trace in words.
pub(super) struct Trace<'a> {
    pub(super) service: &'a str,
    pub(super) id: TraceId,
    pub(super) spans: &'a [SpanData],
    pub(super) occasion: Occasion,
    /// How many of its spans have not ended.
    pub(super) open: usize,
}

impl Page {
    /// The block that shows a trace, with an empty line after it.
    pub(super) fn draw(&self, trace: &Trace<'_>) -> String {
        let tree = Tree::new(trace.spans);
        let columns = Columns::of(self.width);
        let mut page = String::new();
        self.title(&mut page, trace, &tree);
        let rows = self.rows(&tree, trace.occasion, &columns);
        self.lay_out(&mut page, &rows, &columns);
        page.push('\n');
        page
    }

    fn title(&self, page: &mut String, trace: &Trace<'_>, tree: &Tree<'_>) {
        let ink = self.palette;
        let root = tree.tops.iter().find_map(|top| match top {
            Top::Root(root) => Some(*root),
            Top::Orphans { .. } => None,
        });
        let failed = trace.spans.iter().filter(|span| matches!(span.status, Status::Error { .. })).count();
        let total = root.map_or(tree.window, |root| tree.duration(root));

        let mut title = Text::of(ink.faint, "━━ ");
        if !trace.service.is_empty() {
            title.put_cut(ink.kind, trace.service, self.width / 3);
            title.put(ink.faint, " ▸ ");
        }
        let rest = self.width.saturating_sub(title.width());
        match root.and_then(|root| trace.spans.get(root)) {
            Some(root) => {
                let has_failed = matches!(root.status, Status::Error { .. });
                title.put_cut(if has_failed { ink.failed_name } else { ink.name }, name(root), rest);
            }
            None if trace.occasion == Occasion::Late => title.put(ink.warning, "(late spans)"),
            None => title.put(ink.warning, "(root not seen)"),
        }
        let mut numbers = Text::of(ink.name, &text::duration(total));
        numbers.put(ink.faint, " · ");
        numbers.put(ink.plain, &text::count(trace.spans.len(), "span"));
        if failed > 0 {
            numbers.put(ink.faint, " · ");
            numbers.put(ink.failed, &format!("{failed} failed"));
        }
        let id = Text::of(ink.faint, &format!("trace {}", trace.id));
        // The id is there to be copied: it is never cut, rather it gets a line of its own.
        for (gap, part) in [("  ", numbers), (" · ", id)] {
            if title.width() + gap.chars().count() + part.width() <= self.width {
                title.put(ink.faint, gap);
            } else {
                title.write_line(page);
                title = Text::of(ink.plain, "   ");
            }
            title.append(&part);
        }
        title.write_line(page);

        let mut notes = Vec::new();
        if trace.occasion == Occasion::Full {
            notes.push("too many spans are waiting: this is what has come so far".to_owned());
        }
        if trace.open > 0 {
            notes.push(format!("{} still open", text::count(trace.open, "span")));
        }
        for note in notes {
            let mut line = Text::of(ink.plain, "   ");
            line.put_cut(ink.warning, &note, self.width.saturating_sub(3));
            line.write_line(page);
        }
    }

    /// The lines of the tree from top to bottom.
    fn rows(&self, tree: &Tree<'_>, occasion: Occasion, columns: &Columns) -> Vec<Row> {
        // Half of the left side belongs to the names, however deep they stand.
        let deepest = columns.left / 6;
        let mut rows = Vec::new();
        let mut stack: Vec<Place> = Vec::new();
        for top in &tree.tops {
            match top {
                Top::Root(root) => stack.push(Place::top(vec![*root], tree.duration(*root))),
                Top::Orphans { parent, runs } => {
                    let text = match (parent, occasion) {
                        (None, _) => "(parents in a circle)",
                        // It was, probably, in an earlier block.
                        (Some(_), Occasion::Late) => "(parent not here)",
                        (Some(_), _) => "(parent not seen)",
                    };
                    let mut note = Text::of(self.palette.warning, text);
                    if let Some(parent) = parent {
                        note.put(self.palette.faint, &format!("  {parent}"));
                    }
                    rows.push(Row { line: Line::note(self, note), time: None });
                    stack.extend(Place::below("", runs.clone(), 1, tree.window));
                }
            }
            while let Some(place) = stack.pop() {
                let Some(&first) = place.run.first() else { continue };
                let below = place.below_guides(deepest);
                let line = Line::new(
                    self,
                    tree,
                    &place.run,
                    first,
                    self.spot(&place, tree, &below, columns, deepest),
                );
                let time = Time::of(tree, &place.run, place.whole, columns, self.palette.faint);
                rows.push(Row { line, time: Some(time) });
                stack.extend(Place::below(&below, tree.children(&place.run), place.depth + 1, place.whole));
            }
        }
        rows
    }

    fn spot(&self, place: &Place, tree: &Tree<'_>, below: &str, columns: &Columns, deepest: usize) -> Spot {
        let faint = self.palette.faint;
        let mut lead = Text::of(faint, &place.guides);
        let mut under = Text::of(faint, below);
        if place.depth > deepest {
            lead.put(faint, &format!("⋯{} ", place.depth));
        } else if place.depth > 0 {
            lead.put(faint, if place.last { "└─ " } else { "├─ " });
        }
        let guide = place.depth < deepest && tree.has_children(&place.run);
        under.put(faint, if guide { "│  " } else { "   " });
        Spot { lead, under, room: columns.left, is_top: place.depth == 0 }
    }

    fn lay_out(&self, page: &mut String, rows: &[Row], columns: &Columns) {
        let ink = self.palette;
        // Notes have no times, so they need not make room for them.
        let timed = rows.iter().filter(|row| row.time.is_some());
        let longest = timed.map(|row| row.line.head.width()).max().unwrap_or(0);
        let limit = longest.max(BESIDE).min(columns.left);
        let arranged: Vec<Arranged> = rows
            .iter()
            .map(|row| {
                let own = row.time.as_ref().and_then(|time| time.own.as_ref()).filter(|_| !columns.own);
                self.arrange(&row.line, own, limit)
            })
            .collect();
        let beside = rows.iter().zip(&arranged).filter(|(row, _)| row.time.is_some());
        let left = beside.map(|(_, arranged)| arranged.head.width()).max().unwrap_or(0);
        let left = left.max(LEAST_LEFT.min(columns.left));
        for (row, Arranged { mut head, below }) in rows.iter().zip(arranged) {
            if let Some(time) = &row.time {
                head.pad_to(left + GAP + DURATION.saturating_sub(time.duration.chars().count()));
                head.put(ink.plain, &time.duration);
                head.pad_to(left + GAP + DURATION + GAP + SHARE.saturating_sub(time.share.chars().count()));
                head.put(ink.faint, &time.share);
                if columns.bar > 0 {
                    head.pad_to(left + GAP + DURATION + GAP + SHARE + GAP);
                    let bar = time.bar.trim_start_matches(' ');
                    head.pad_to(head.width() + time.bar.chars().count() - bar.chars().count());
                    head.put(row.line.ink, bar);
                }
                if let Some(own) = time.own.as_ref().filter(|_| columns.own) {
                    head.pad_to(left + GAP + DURATION + GAP + SHARE + GAP + columns.bar + GAP);
                    head.append(own);
                }
            }
            head.write_line(page);
            for line in below {
                line.write_line(page);
            }
        }
    }

    /// Decides what stands beside a name and what below it.
    fn arrange(&self, line: &Line, own: Option<&Text>, limit: usize) -> Arranged {
        let ink = self.palette;
        let room = self.width.saturating_sub(line.under.width());
        let mut head = line.head.clone();
        let mut below = Vec::new();
        let mut beside = |items: &[&Text]| {
            let needed: usize = items.iter().map(|item| GAP + item.width()).sum();
            let fits = head.width() + needed <= limit;
            if fits {
                for item in items {
                    head.put(ink.plain, "  ");
                    head.append(item);
                }
            }
            fits
        };

        let mut tally: Vec<&Text> = line.tally.iter().chain(own).collect();
        let mut all_beside = beside(&tally);
        if all_beside {
            tally.clear();
        }
        if let Some((error, place)) = &line.failure {
            let text = Text::cut(ink.failed, error, room.saturating_mul(3));
            let items: Vec<&Text> = std::iter::once(&text).chain(place).collect();
            all_beside = all_beside && beside(&items);
            if !all_beside {
                below = text::wrap(ink.failed, error, room, 3);
                match (below.last_mut(), place) {
                    (Some(last), Some(place)) if last.width() + GAP + place.width() <= room => {
                        last.put(ink.plain, "  ");
                        last.append(place);
                    }
                    (_, place) => below.extend(place.clone()),
                }
            }
        }
        below.extend(line.causes.iter().cloned());
        let facts: Vec<&Text> = line.facts.iter().collect();
        if !(all_beside && beside(&facts)) {
            tally.extend(facts);
            below.extend(flow(&tally, room, 0));
        }
        for happening in &line.happenings {
            below.extend(flow(&happening.iter().collect::<Vec<_>>(), room, GAP));
        }
        let below = below
            .into_iter()
            .map(|text| {
                let mut whole = line.under.clone();
                whole.append(&text);
                whole
            })
            .collect();
        Arranged { head, below }
    }
}

/// Items beside each other, in as many lines as they need.
fn flow(items: &[&Text], room: usize, hang: usize) -> Vec<Text> {
    let mut lines: Vec<Text> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.width() + GAP + item.width() <= room => {
                line.pad_to(line.width() + GAP);
                line.append(item);
            }
            last => {
                let mut line = Text::default();
                // What fills a whole line cannot be moved in as well.
                if last.is_some() && hang + item.width() <= room {
                    line.pad_to(hang);
                }
                line.append(item);
                lines.push(line);
            }
        }
    }
    lines
}

/// How the right side is divided, by the width of the page.
struct Columns {
    /// What is left for the tree.
    left: usize,
    bar: usize,
    /// Whether self time has a column; else it stands with the facts.
    own: bool,
}

impl Columns {
    fn of(width: usize) -> Self {
        let (bar, own) = match width {
            ..50 => (0, false),
            50..80 => (10, false),
            80..96 => (10, true),
            96..120 => (16, true),
            _ => (24, true),
        };
        let mut right = GAP + DURATION + GAP + SHARE;
        if bar > 0 {
            right += GAP + bar;
        }
        if own {
            right += GAP + SELF;
        }
        Self { left: width.saturating_sub(right), bar, own }
    }
}

struct Row {
    line: Line,
    /// Nothing for what is not there.
    time: Option<Time>,
}

struct Arranged {
    head: Text,
    below: Vec<Text>,
}

/// The right side of a line.
struct Time {
    duration: String,
    share: String,
    bar: String,
    own: Option<Text>,
}

impl Time {
    fn of(tree: &Tree<'_>, run: &Run, whole: u64, columns: &Columns, ink: Ink) -> Self {
        let covered = tree.covered(run);
        let length = tree::length(&covered);
        Self {
            duration: text::duration(length),
            share: text::share(length, whole),
            bar: bar::draw(&covered, tree.window, columns.bar),
            own: tree
                .has_children(run)
                .then(|| Text::of(ink, &format!("self {}", text::duration(tree.self_time(run))))),
        }
    }
}

/// A line that is still to be drawn.
struct Place {
    run: Run,
    depth: usize,
    /// What stands before its branch.
    guides: String,
    last: bool,
    /// The time its share is taken of.
    whole: u64,
}

impl Place {
    fn top(run: Run, whole: u64) -> Self {
        Self { run, depth: 0, guides: String::new(), last: true, whole }
    }

    /// The lines under one, last first, as a stack wants them.
    fn below(guides: &str, runs: Vec<Run>, depth: usize, whole: u64) -> Vec<Self> {
        let place =
            |(position, run)| Self { run, depth, guides: guides.to_owned(), last: position == 0, whole };
        runs.into_iter().rev().enumerate().map(place).collect()
    }

    /// The guides of what stands under this line. From some depth on they grow no more.
    fn below_guides(&self, deepest: usize) -> String {
        let mut guides = self.guides.clone();
        if self.depth > 0 && self.depth <= deepest {
            guides.push_str(if self.last { "   " } else { "│  " });
        }
        guides
    }
}

//! Random programs of traced calls leave exactly the spans that an oracle says they leave.
//!
//! A seeded generator makes a program: a tree of calls of every form, nested, interleaved, handed to tasks and
//! threads, failing, panicking and cancelled. The interpreter below runs it on a multi-threaded runtime under a
//! capture; the oracle walks the same program without running anything. `TRACED_ORACLE_SEED=7` runs one program
//! again, `TRACED_ORACLE_COUNT=100000` runs more of them. `differential` compares what two recorders make of them.
#![allow(missing_docs)]
#![expect(clippy::too_many_lines, reason = "a generator, an interpreter and an oracle are one `match` each")]

mod differential;
#[path = "../exporters/mod.rs"]
#[allow(clippy::pedantic, reason = "it is as its other users are")]
mod exporters;
#[path = "../process/mod.rs"]
#[allow(clippy::pedantic, reason = "as above")]
mod process;

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Once};
use std::thread;

use futures_util::{FutureExt, Stream, StreamExt};
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use tokio::sync::{Semaphore, oneshot};
use tokio::task;
use traced::opentelemetry;
use traced::testing::{SpanView, Trace, capture};
use traced::traced;

// ---------------------------------------------------------------------------------------------- the program

type Id = usize;

#[derive(Debug)]
struct Node {
    form: Form,
    /// A call that the drop of one of the body's locals makes.
    guard: Option<Id>,
    steps: Vec<Step>,
    end: End,
    /// OpenTelemetry's context has another span than this call's: that is a leaf.
    in_leaf: bool,
}

/// Which function, or which other way to make a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    // Synchronous.
    Plain,
    Tracked,
    Associated,
    SyncLeaf,
    SyncRoot,
    SyncRootLink,
    SyncUnless,
    SyncExpected,
    SyncOrdinary,
    Run,
    Enter,
    SyncForeign,
    // Asynchronous.
    Async,
    Boxed,
    Opaque,
    Method,
    Dyn,
    Leaf,
    Root,
    RootLink,
    Remote,
    Unless,
    Expected,
    Ordinary,
    Timed,
    Wrap,
    Foreign,
    // Only under `Step::Stream`.
    Stream,
}

const SYNC: &[Form] = &[
    Form::Plain,
    Form::Plain,
    Form::Plain,
    Form::Tracked,
    Form::Associated,
    Form::SyncLeaf,
    Form::SyncRoot,
    Form::SyncRootLink,
    Form::SyncUnless,
    Form::SyncExpected,
    Form::SyncOrdinary,
    Form::Run,
    Form::Enter,
    Form::SyncForeign,
];
const ASYNC: &[Form] = &[
    Form::Async,
    Form::Async,
    Form::Async,
    Form::Boxed,
    Form::Opaque,
    Form::Method,
    Form::Dyn,
    Form::Leaf,
    Form::Root,
    Form::RootLink,
    Form::Remote,
    Form::Unless,
    Form::Expected,
    Form::Ordinary,
    Form::Timed,
    Form::Wrap,
    Form::Foreign,
];

/// What a form's span makes of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    Fault,
    Expected,
    /// The span does not look at the value.
    Off,
}

impl Form {
    fn is_sync(self) -> bool {
        SYNC.contains(&self)
    }

    fn has_span(self) -> bool {
        !matches!(self, Self::SyncUnless | Self::Unless)
    }

    fn is_foreign(self) -> bool {
        matches!(self, Self::SyncForeign | Self::Foreign)
    }

    fn is_leaf(self) -> bool {
        matches!(self, Self::SyncLeaf | Self::Leaf)
    }

    fn judge(self) -> Judge {
        match self {
            Self::SyncExpected | Self::Expected => Judge::Expected,
            Self::SyncOrdinary | Self::Ordinary | Self::Run | Self::Enter | Self::Wrap | Self::Stream => {
                Judge::Off
            }
            _ if self.is_foreign() || !self.has_span() => Judge::Off,
            _ => Judge::Fault,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tracked => "tracked",
            Self::Associated => "Shop::associated",
            Self::SyncLeaf => "sync_leaf",
            Self::SyncRoot => "sync_root",
            Self::SyncRootLink => "sync_root_link",
            Self::SyncUnless => "sync_unless",
            Self::SyncExpected => "sync_expected",
            Self::SyncOrdinary => "sync_ordinary",
            Self::Run => "by hand: run",
            Self::Enter => "by hand: enter",
            Self::SyncForeign | Self::Foreign => "foreign",
            Self::Async => "call",
            Self::Boxed => "boxed",
            Self::Opaque => "opaque",
            Self::Method => "Shop::method",
            Self::Dyn => "Shop::through_a_trait",
            Self::Leaf => "leaf",
            Self::Root => "root",
            Self::RootLink => "root_link",
            Self::Remote => "remote",
            Self::Unless => "unless",
            Self::Expected => "expected",
            Self::Ordinary => "ordinary",
            Self::Timed => "timed",
            Self::Wrap => "by hand: wrap",
            Self::Stream => "items",
        }
    }

    /// The type of the error that the form returns.
    fn error_type(self) -> &'static str {
        if self.is_sync() { "alloc::string::String" } else { "oracle::Oops" }
    }
}

#[derive(Debug)]
enum Step {
    /// An event on the span that is current here.
    Mark,
    Call(Id, Then),
    /// A call whose panic is caught, and goes on if the flag says so.
    Catch(Id, bool),
    /// Blocking children, one after the other.
    Thread(Thread, Id, Then),

    Yield(usize),
    Join(JoinBy, Vec<Id>, Then),
    Spawn(Vec<(Spawner, Id)>, Then),
    Blocking(Blocker, Id, Then),
    Set(Vec<Id>, Then),
    /// A child that gets stuck is given up.
    Cancel(CancelBy, Id),
    /// A child that gets stuck in a set of tasks, which goes when this call is given up.
    Held(Id),
    /// A future that nobody polls.
    Never(Id),
    /// Children of which some are stuck, and then one that panics beside them.
    Burst(Vec<Id>, Id),
    /// A stream, how many items are taken of it, and a call between the first two.
    Stream {
        stream: Id,
        take: Option<usize>,
        between: Option<Id>,
    },
    /// A task that runs when everything else is over.
    Detach(Id),
}

/// What a caller does with a child's error, and with the panic of a child on another stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Ignore,
    Pass,
    /// As `Pass`; and a child's panic is this call's panic.
    Raise,
}

#[derive(Debug, Clone, Copy)]
enum Thread {
    Std,
    Imported,
    Builder,
    Ours,
    Scoped,
    Rayon,
}

const THREADS: &[Thread] =
    &[Thread::Rayon, Thread::Std, Thread::Imported, Thread::Builder, Thread::Ours, Thread::Scoped];

#[derive(Debug, Clone, Copy)]
enum JoinBy {
    All,
    Unordered,
}

#[derive(Debug, Clone, Copy)]
enum Spawner {
    Tokio,
    Task,
    Ours,
    Propagated,
}

#[derive(Debug, Clone, Copy)]
enum Blocker {
    Task,
    Ours,
    Propagated,
    Thread,
}

#[derive(Debug, Clone, Copy)]
enum CancelBy {
    Select,
    Timeout,
    Elsewhere,
    Abortable,
    Abort,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ok,
    Err,
    Panic,
    Stuck,
}

fn error_of(id: Id) -> String {
    format!("error of {id}{}", tail_of(id))
}

fn panic_of(id: Id) -> String {
    format!("panic of {id}{}", tail_of(id))
}

/// Some texts are longer than others.
fn tail_of(id: Id) -> String {
    if id.is_multiple_of(5) { "é!".repeat(20 * id) } else { String::new() }
}

fn raise_of(id: Id) -> String {
    format!("raised by {id}")
}

// -------------------------------------------------------------------------------------------- the generator

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("it was a usize")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

struct Generator {
    random: Random,
    nodes: Vec<Node>,
    budget: usize,
}

/// What a call may do where it stands.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
struct Place {
    depth: usize,
    sync: bool,
    may_panic: bool,
    may_stick: bool,
    /// Only plain calls below here.
    quiet: bool,
    /// Nothing here reads OpenTelemetry's context: the caller is a leaf.
    in_leaf: bool,
    must: Option<End>,
}

impl Place {
    const TOP: Self = Self {
        depth: 0,
        sync: false,
        may_panic: false,
        may_stick: false,
        quiet: false,
        in_leaf: false,
        must: None,
    };
}

impl Generator {
    fn program(seed: u64) -> Vec<Node> {
        let mut random = Random(seed);
        let budget = 2 + random.below(30);
        let sync = random.chance(15);
        let mut generator = Self { random, nodes: Vec::new(), budget };
        generator.node(Place { sync, ..Place::TOP });
        generator.nodes
    }

    fn node(&mut self, place: Place) -> (Id, End) {
        let forms = if place.sync { SYNC } else { ASYNC };
        let form = loop {
            let form = self.random.of(forms);
            if !(place.in_leaf && form.is_foreign()) {
                break form;
            }
        };
        self.node_of(form, place)
    }

    fn node_of(&mut self, form: Form, place: Place) -> (Id, End) {
        let id = self.nodes.len();
        self.nodes.push(Node { form, guard: None, steps: Vec::new(), end: End::Ok, in_leaf: false });
        self.budget = self.budget.saturating_sub(1);
        let below = Place {
            depth: place.depth + 1,
            sync: place.sync,
            may_panic: place.may_panic && place.must.is_none(),
            may_stick: place.may_stick && place.must.is_none_or(|must| must == End::Stuck),
            quiet: place.quiet || form.is_leaf(),
            in_leaf: form.is_leaf() || (place.in_leaf && !form.has_span()),
            must: None,
        };
        let mut steps = Vec::new();
        let mut end = End::Ok;
        if place.depth < 7 {
            let most = if place.depth == 0 { 5 } else { 4 };
            for _ in 0..self.random.below(most) + usize::from(place.depth == 0) {
                if self.budget == 0 {
                    break;
                }
                let (step, how) = if form == Form::Stream {
                    let (child, how) = self.child(below);
                    (Step::Call(child, Then::Ignore), how)
                } else {
                    self.step(below, place.must.is_some())
                };
                steps.push(step);
                // One step behind the end may be written; it must not run.
                if end != End::Ok {
                    break;
                }
                end = if how == End::Err && form == Form::Stream { End::Ok } else { how };
            }
        }
        let own = match place.must {
            Some(must) => must,
            None if form == Form::Stream => End::Ok,
            None => match self.random.below(100) {
                0..=19 => End::Err,
                20..=27 if place.may_panic => End::Panic,
                28..=32 if place.may_stick && !place.sync => End::Stuck,
                _ => End::Ok,
            },
        };
        // The context of a foreign span is not there when its future is dropped.
        let guarded = form.has_span() && !form.is_foreign() && form != Form::Stream;
        let guard = (guarded && self.budget > 0 && !place.quiet && self.random.chance(15)).then(|| {
            self.node(Place {
                depth: place.depth + 3,
                sync: true,
                quiet: true,
                in_leaf: form.is_leaf(),
                ..Place::TOP
            })
            .0
        });
        self.nodes[id] = Node { form, guard, steps, end: own, in_leaf: below.in_leaf };
        (id, if end == End::Ok { own } else { end })
    }

    /// A child, in `async` code of either colour.
    fn child(&mut self, place: Place) -> (Id, End) {
        let sync = place.sync || (place.must != Some(End::Stuck) && self.random.chance(30));
        self.node(Place { sync, ..place })
    }

    /// A step, and how it leaves the call. `calm` steps leave it only stuck.
    fn step(&mut self, place: Place, calm: bool) -> (Step, End) {
        let then = match self.random.below(3) {
            _ if calm => Then::Ignore,
            0 => Then::Ignore,
            1 if place.may_panic => Then::Raise,
            _ => Then::Pass,
        };
        let passes = |how: End| if how == End::Err && then == Then::Ignore { End::Ok } else { how };
        // What became of a child on a stack of its own.
        let joined = |how: End| match (how, then) {
            (End::Panic, Then::Raise) => End::Panic,
            (End::Err, Then::Pass | Then::Raise) => End::Err,
            _ => End::Ok,
        };
        let alone = Place { may_panic: true, may_stick: false, ..place };
        if place.quiet {
            if self.random.chance(25) {
                return (Step::Mark, End::Ok);
            }
            let (child, how) = self.child(place);
            return (Step::Call(child, then), passes(how));
        }
        if place.sync {
            return match self.random.below(10) {
                0 => (Step::Mark, End::Ok),
                1..=5 => {
                    let (child, how) = self.child(place);
                    (Step::Call(child, then), passes(how))
                }
                6 | 7 => {
                    let again = place.may_panic && self.random.chance(30);
                    let (child, how) = self.child(alone);
                    (Step::Catch(child, again), if again && how == End::Panic { how } else { End::Ok })
                }
                _ => {
                    let (child, how) = self.child(alone);
                    // A worker of rayon's pool that waits for another one could wait for ever.
                    let pooled = |step: &Step| matches!(step, Step::Thread(Thread::Rayon, ..));
                    let has_pooled = self.nodes[child..].iter().any(|node| node.steps.iter().any(pooled));
                    let by = self.random.of(if has_pooled { &THREADS[1..] } else { THREADS });
                    (Step::Thread(by, child, then), joined(how))
                }
            };
        }
        match self.random.below(34) {
            0 => (Step::Mark, End::Ok),
            1..=3 => (Step::Yield(1 + self.random.below(3)), End::Ok),
            4..=10 => {
                let (child, how) = self.child(place);
                (Step::Call(child, then), passes(how))
            }
            11 | 12 => {
                let again = place.may_panic && self.random.chance(30);
                let (child, how) = self.child(Place { may_stick: place.may_stick, ..alone });
                let left = match how {
                    End::Panic if again => how,
                    End::Stuck => how,
                    _ => End::Ok,
                };
                (Step::Catch(child, again), left)
            }
            13..=15 => {
                let (children, ends) = self.children(Place { may_panic: true, ..place }, 1);
                let by = self.random.of(&[JoinBy::All, JoinBy::Unordered]);
                let end = if ends.contains(&End::Stuck) {
                    End::Stuck
                } else if ends.contains(&End::Err) && then != Then::Ignore {
                    End::Err
                } else {
                    End::Ok
                };
                (Step::Join(by, children, then), end)
            }
            16..=18 => {
                let (children, ends) = self.children(alone, 1);
                let children = children
                    .into_iter()
                    .map(|child| {
                        (
                            self.random.of(&[
                                Spawner::Tokio,
                                Spawner::Task,
                                Spawner::Ours,
                                Spawner::Propagated,
                            ]),
                            child,
                        )
                    })
                    .collect();
                let end = ends.into_iter().map(joined).find(|end| *end != End::Ok).unwrap_or(End::Ok);
                (Step::Spawn(children, then), end)
            }
            19 | 20 => {
                let (child, how) = self.node(Place { sync: true, ..alone });
                let by =
                    self.random.of(&[Blocker::Task, Blocker::Ours, Blocker::Propagated, Blocker::Thread]);
                (Step::Blocking(by, child, then), joined(how))
            }
            21 | 22 => {
                let (children, ends) = self.children(alone, 1);
                let end = ends.into_iter().map(joined).find(|end| *end != End::Ok).unwrap_or(End::Ok);
                (Step::Set(children, then), end)
            }
            23..=26 => {
                let by = self.random.of(&[
                    CancelBy::Select,
                    CancelBy::Timeout,
                    CancelBy::Elsewhere,
                    CancelBy::Abortable,
                    CancelBy::Abort,
                    CancelBy::Set,
                ]);
                let (child, how) =
                    self.node(Place { may_stick: true, may_panic: false, must: Some(End::Stuck), ..place });
                assert_eq!(how, End::Stuck);
                (Step::Cancel(by, child), End::Ok)
            }
            27 if place.may_stick => {
                let (child, how) = self.node(Place { must: Some(End::Stuck), may_panic: false, ..place });
                assert_eq!(how, End::Stuck);
                (Step::Held(child), End::Stuck)
            }
            28 => (Step::Never(self.child(Place { may_panic: true, may_stick: true, ..place }).0), End::Ok),
            29 | 30 if place.may_panic => {
                let (children, _) = self.children(Place { may_stick: true, ..alone }, 1);
                let (bomb, how) = self.child(Place { may_stick: false, must: Some(End::Panic), ..place });
                assert_eq!(how, End::Panic);
                (Step::Burst(children, bomb), End::Panic)
            }
            31 => {
                let (child, _) = self.child(alone);
                // What it would write to its caller's span comes when that may be over.
                let form = &mut self.nodes[child].form;
                *form = match *form {
                    Form::Unless => Form::Async,
                    Form::SyncUnless => Form::Plain,
                    form => form,
                };
                (Step::Detach(child), End::Ok)
            }
            _ => {
                let (stream, how) = self.node_of(Form::Stream, place);
                let items = self.nodes[stream].steps.len();
                let take = self.random.chance(50).then(|| self.random.below(items + 2));
                // What stops the stream stops the caller; ask the oracle's rules for how far it gets.
                let reached = self.reached(stream, take);
                let between = (self.budget > 0 && self.random.chance(40)).then(|| self.child(place));
                let mut end = if reached.ends_stream { how } else { End::Ok };
                if let Some((_, how)) = between
                    && reached.first_item
                    && passes(how) != End::Ok
                {
                    end = passes(how);
                }
                // `between` passes its error on only where the step says so: streams always do.
                if let Some((_, End::Err)) = between
                    && reached.first_item
                {
                    end = End::Err;
                }
                if calm && end == End::Err {
                    return (
                        Step::Stream { stream, take, between: None },
                        if reached.ends_stream { how } else { End::Ok },
                    );
                }
                (Step::Stream { stream, take, between: between.map(|(id, _)| id) }, end)
            }
        }
    }

    fn children(&mut self, place: Place, least: usize) -> (Vec<Id>, Vec<End>) {
        (0..least + self.random.below(3)).map(|_| self.child(place)).unzip()
    }

    /// How far a consumer gets that takes so many items.
    fn reached(&self, stream: Id, take: Option<usize>) -> Reached {
        let mut oracle = Oracle::new(&self.nodes);
        oracle.flows_only = true;
        let node = &self.nodes[stream];
        let mut items = 0;
        for step in &node.steps {
            if take.is_some_and(|take| items >= take) {
                break;
            }
            let Step::Call(child, _) = step else { unreachable!("a stream has only calls") };
            match oracle.run(*child, None) {
                Flow::Ok | Flow::Err { .. } => items += 1,
                Flow::Panic { .. } | Flow::Stuck(_) => {
                    return Reached { first_item: items > 0, ends_stream: true };
                }
            }
        }
        Reached { first_item: items > 0, ends_stream: false }
    }
}

struct Reached {
    first_item: bool,
    /// The stream panics or gets stuck while it is consumed.
    ends_stream: bool,
}

// ----------------------------------------------------------------------------------------------- the oracle

/// How a call was left.
#[derive(Debug, Clone)]
enum Flow {
    Ok,
    /// The error's text, and the type under which a span has recorded it.
    Err {
        message: String,
        recorded: Option<&'static str>,
    },
    /// The panic's text, and whether a span has recorded it.
    Panic {
        message: String,
        recorded: bool,
    },
    /// So many calls report that nothing moves any more.
    Stuck(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    name: &'static str,
    parent: Parent,
    status: String,
    error_type: Option<String>,
    cancelled: bool,
    exceptions: Vec<String>,
    marks: usize,
    links: Vec<Parent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parent {
    None,
    Of(Id),
    Remote(SpanId),
    Stranger,
}

struct Oracle<'a> {
    nodes: &'a [Node],
    expected: HashMap<Id, Expected>,
    /// How many reports a stuck node makes; 0 for all others.
    reports: Vec<usize>,
    /// Pairs of a span and a later task of it.
    detached: Vec<(Id, Id)>,
    /// Everything else is over already.
    late: bool,
    flows_only: bool,
}

/// What a program leaves.
struct Prediction {
    expected: HashMap<Id, Expected>,
    reports: Vec<usize>,
    detached: Vec<(Id, Id)>,
}

fn predict(nodes: &[Node]) -> Prediction {
    let mut oracle = Oracle::new(nodes);
    let top = oracle.run(0, None);
    assert!(matches!(top, Flow::Ok | Flow::Err { .. }), "nothing would catch {top:?}");
    let Oracle { expected, reports, detached, .. } = oracle;
    Prediction { expected, reports, detached }
}

impl<'a> Oracle<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        let reports = vec![0; nodes.len()];
        Self {
            nodes,
            expected: HashMap::new(),
            reports,
            detached: Vec::new(),
            late: false,
            flows_only: false,
        }
    }

    fn run(&mut self, id: Id, caller: Option<Id>) -> Flow {
        let node = &self.nodes[id];
        let here = if node.form.has_span() { Some(id) } else { caller };
        self.open(id, caller);
        let mut flow = Flow::Ok;
        for step in &node.steps {
            flow = self.step(step, id, here);
            if !matches!(flow, Flow::Ok) {
                break;
            }
        }
        if let Flow::Ok = flow {
            flow = match node.end {
                End::Ok => Flow::Ok,
                End::Err => Flow::Err { message: error_of(id), recorded: None },
                End::Panic => Flow::Panic { message: panic_of(id), recorded: false },
                End::Stuck => Flow::Stuck(1),
            };
        }
        if let Some(guard) = node.guard {
            self.run(guard, here);
        }
        self.close(id, &mut flow);
        flow
    }

    fn open(&mut self, id: Id, caller: Option<Id>) {
        let form = self.nodes[id].form;
        if !form.has_span() || self.flows_only {
            return;
        }
        let callers = caller.map_or(Parent::None, Parent::Of);
        let (parent, links) = match form {
            Form::Root | Form::SyncRoot => (Parent::None, Vec::new()),
            Form::RootLink | Form::SyncRootLink => {
                (Parent::None, if caller.is_some() { vec![callers] } else { Vec::new() })
            }
            Form::Remote => (Parent::Remote(remote(id).span_id()), Vec::new()),
            _ => (callers, Vec::new()),
        };
        let expected = Expected {
            name: form.name(),
            parent,
            status: "unset".to_owned(),
            error_type: None,
            cancelled: false,
            exceptions: Vec::new(),
            marks: 0,
            links,
        };
        assert!(self.expected.insert(id, expected).is_none(), "{id} runs twice");
    }

    fn close(&mut self, id: Id, flow: &mut Flow) {
        if let Flow::Stuck(reports) = flow {
            self.reports[id] = *reports;
        }
        let form = self.nodes[id].form;
        let Some(span) = self.expected.get_mut(&id) else { return };
        match flow {
            Flow::Ok => {}
            Flow::Err { message, recorded } => {
                // Nothing can be known across a span that is not ours.
                if form.is_foreign() {
                    *recorded = None;
                }
                if form.judge() == Judge::Off {
                    return;
                }
                if recorded.is_none() {
                    span.exceptions.push(message.clone());
                }
                let error_type = *recorded.get_or_insert(form.error_type());
                if form.judge() == Judge::Fault {
                    span.status = format!("error: {message}");
                    span.error_type = Some(error_type.to_owned());
                }
            }
            _ if form.is_foreign() => {}
            Flow::Panic { message, recorded } => {
                if !std::mem::replace(recorded, true) {
                    span.exceptions.push(message.clone());
                }
                span.status = format!("error: {message}");
                span.error_type = Some("panic".to_owned());
            }
            Flow::Stuck(_) => span.cancelled = true,
        }
    }

    fn step(&mut self, step: &Step, id: Id, here: Option<Id>) -> Flow {
        match step {
            Step::Mark => {
                if let Some(span) = here.and_then(|here| self.expected.get_mut(&here)) {
                    span.marks += 1;
                }
                Flow::Ok
            }
            Step::Yield(_) | Step::Never(_) => Flow::Ok,
            Step::Call(child, then) => passed(self.run(*child, here), *then),
            Step::Catch(child, again) => match self.run(*child, here) {
                flow @ Flow::Panic { .. } if *again => flow,
                flow @ Flow::Stuck(_) => flow,
                _ => Flow::Ok,
            },
            Step::Thread(_, child, then) | Step::Blocking(_, child, then) => {
                joined(self.run(*child, here), *then, id)
            }
            Step::Join(_, children, then) => {
                let flows: Vec<_> = children.iter().map(|child| self.run(*child, here)).collect();
                if let Some(reports) = reports(&flows) {
                    return Flow::Stuck(reports);
                }
                let mut failed = flows.into_iter().filter(|flow| matches!(flow, Flow::Err { .. }));
                failed.next().map_or(Flow::Ok, |flow| passed(flow, *then))
            }
            Step::Spawn(children, then) => {
                let flows: Vec<_> = children.iter().map(|(_, child)| self.run(*child, here)).collect();
                first_joined(flows, *then, id)
            }
            Step::Set(children, then) => {
                let flows: Vec<_> = children.iter().map(|child| self.run(*child, here)).collect();
                first_joined(flows, *then, id)
            }
            Step::Cancel(_, child) => {
                let flow = self.run(*child, here);
                assert!(matches!(flow, Flow::Stuck(_)), "{child} is cancelled, so it must be stuck");
                Flow::Ok
            }
            Step::Held(child) => self.run(*child, here),
            Step::Burst(children, bomb) => {
                for child in children {
                    self.run(*child, here);
                }
                self.run(*bomb, here)
            }
            Step::Stream { stream, take, between } => self.stream(*stream, *take, *between, here),
            Step::Detach(child) => {
                if let Some(here) = here
                    && !self.late
                {
                    self.detached.push((here, *child));
                }
                let late = std::mem::replace(&mut self.late, true);
                self.run(*child, here);
                self.late = late;
                Flow::Ok
            }
        }
    }

    fn stream(&mut self, stream: Id, take: Option<usize>, mut between: Option<Id>, here: Option<Id>) -> Flow {
        if take == Some(0) {
            return Flow::Ok;
        }
        self.open(stream, here);
        let mut items = 0;
        for step in &self.nodes[stream].steps {
            if take.is_some_and(|take| items >= take) {
                break;
            }
            let Step::Call(child, _) = step else { unreachable!("a stream has only calls") };
            match self.run(*child, Some(stream)) {
                Flow::Ok | Flow::Err { .. } => items += 1,
                mut flow => {
                    self.close(stream, &mut flow);
                    return flow;
                }
            }
            if let Some(between) = between.take() {
                let flow = self.run(between, here);
                if !matches!(flow, Flow::Ok) {
                    return flow;
                }
            }
        }
        Flow::Ok
    }
}

fn passed(flow: Flow, then: Then) -> Flow {
    match flow {
        Flow::Err { .. } if then == Then::Ignore => Flow::Ok,
        flow => flow,
    }
}

fn joined(flow: Flow, then: Then, id: Id) -> Flow {
    match flow {
        Flow::Panic { .. } if then == Then::Raise => Flow::Panic { message: raise_of(id), recorded: false },
        Flow::Panic { .. } => Flow::Ok,
        flow => passed(flow, then),
    }
}

fn first_joined(flows: Vec<Flow>, then: Then, id: Id) -> Flow {
    flows
        .into_iter()
        .map(|flow| joined(flow, then, id))
        .find(|flow| !matches!(flow, Flow::Ok))
        .unwrap_or(Flow::Ok)
}

/// What siblings report if one of them is stuck: a stuck one all it has, any other that it is over.
fn reports(flows: &[Flow]) -> Option<usize> {
    let stuck = flows.iter().any(|flow| matches!(flow, Flow::Stuck(_)));
    stuck.then(|| flows.iter().map(|flow| if let Flow::Stuck(reports) = flow { *reports } else { 1 }).sum())
}

// ------------------------------------------------------------------------------------------ the interpreter

/// The error of `async` calls.
#[derive(Debug)]
struct Oops(String);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Oops {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.len().is_multiple_of(2).then_some(&fmt::Error)
    }
}

type Done = Result<(), Oops>;
type SyncDone = Result<(), String>;
type Running = Pin<Box<dyn Future<Output = Done> + Send>>;

/// A program at work.
#[derive(Clone)]
struct World {
    program: Arc<Program>,
    /// Where stuck calls report.
    scope: Arc<Semaphore>,
}

struct Program {
    nodes: Vec<Node>,
    reports: Vec<usize>,
    /// Whether marks write to their span in other ways too.
    scribbles: bool,
    /// Opened when everything but the detached tasks is over.
    over: Semaphore,
    /// Tasks that are given up, but go in their own time.
    going: Mutex<Vec<oneshot::Receiver<()>>>,
    /// Tasks that wait until everything else is over.
    detached: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl Program {
    fn new(nodes: Vec<Node>, reports: Vec<usize>) -> Self {
        let (over, going, detached) = (Semaphore::new(0), Mutex::default(), Mutex::default());
        Self { nodes, reports, scribbles: false, over, going, detached }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().enumerate().try_for_each(|(id, node)| writeln!(f, "{id}: {node:?}"))
    }
}

impl World {
    fn of(program: Program) -> Self {
        Self { program: Arc::new(program), scope: Arc::new(Semaphore::new(0)) }
    }

    /// Whether the program is to `begin`, or to `run`.
    fn is_sync(&self) -> bool {
        self.program.nodes[0].form.is_sync()
    }

    /// The whole of a synchronous program.
    fn begin(&self) -> Done {
        begin(self.clone(), 0).map_err(Oops)
    }

    /// The whole of an asynchronous program, what it leaves behind included.
    async fn run(self) -> Done {
        let program = Arc::clone(&self.program);
        let done = start(self, 0).await;
        all_gone(&program.going).await;
        program.over.add_permits(1_000);
        all_gone(&program.detached).await;
        all_gone(&program.going).await;
        done
    }

    fn scoped(&self) -> Self {
        Self { program: Arc::clone(&self.program), scope: Arc::new(Semaphore::new(0)) }
    }

    fn is_stuck(&self, id: Id) -> bool {
        self.program.reports[id] > 0
    }

    fn report(&self) {
        self.scope.add_permits(1);
    }

    /// Until so many calls of this scope have reported.
    async fn settled(&self, reports: usize) {
        let reports = u32::try_from(reports).expect("programs are small");
        self.scope.acquire_many(reports).await.expect("it is never closed").forget();
    }
}

/// Waits for all that are in a list, and for those that come into it meanwhile.
async fn all_gone(list: &Mutex<Vec<oneshot::Receiver<()>>>) {
    loop {
        let tasks = std::mem::take(&mut *list.lock().expect("no panic"));
        if tasks.is_empty() {
            return;
        }
        futures_util::future::join_all(tasks).await;
    }
}

/// Tells when it is dropped, to somebody in a list.
struct Gone(Option<oneshot::Sender<()>>);

impl Gone {
    fn tell(list: &Mutex<Vec<oneshot::Receiver<()>>>) -> Self {
        let (tell, told) = oneshot::channel();
        list.lock().expect("no panic").push(told);
        Self(Some(tell))
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.take().expect("dropped once").send(());
    }
}

/// A local whose drop makes a call.
struct Guard(World, Id);

impl Guard {
    fn of(world: &World, id: Id) -> Option<Self> {
        Some(Self(world.clone(), world.program.nodes[id].guard?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = begin(self.0.clone(), self.1);
    }
}

fn pass<E>(then: Then, result: Result<(), E>) -> Result<(), E> {
    if then == Then::Ignore { Ok(()) } else { result }
}

/// What a call makes of a child on another stack.
fn pass_joined<E, P>(then: Then, id: Id, result: Result<Result<(), E>, P>) -> Result<(), E> {
    let result = result.unwrap_or_else(|_| {
        assert!(then != Then::Raise, "{}", raise_of(id));
        Ok(())
    });
    pass(then, result)
}

/// Runs a call of a synchronous form.
fn begin(w: World, id: Id) -> SyncDone {
    match w.program.nodes[id].form {
        Form::Plain => plain(w, id),
        Form::Tracked => tracked(w, id),
        Form::Associated => Shop::associated(w, id),
        Form::SyncLeaf => sync_leaf(w, id),
        Form::SyncRoot => sync_root(w, id),
        Form::SyncRootLink => sync_root_link(w, id),
        Form::SyncUnless => sync_unless(w, id, false),
        Form::SyncExpected => sync_expected(w, id),
        Form::SyncOrdinary => sync_ordinary(w, id),
        Form::Run => traced::span!("by hand: run", node = id).run(|| sync_body(w, id)),
        Form::Enter => {
            let _entered = traced::span!("by hand: enter", node = id).enter();
            sync_body(w, id)
        }
        Form::SyncForeign => {
            let foreign = Foreign::start(id);
            let _current = foreign.0.clone().attach();
            sync_body(w, id)
        }
        form => unreachable!("{form:?} is not synchronous"),
    }
}

/// Begins a call of any form.
fn start(w: World, id: Id) -> Running {
    match w.program.nodes[id].form {
        Form::Async => Box::pin(call(w, id)),
        Form::Boxed => boxed(w, id),
        Form::Opaque => Box::pin(opaque(w, id)),
        Form::Method => Box::pin(async move { Shop.method(w, id).await }),
        Form::Dyn => Box::pin(async move { Through::through_a_trait(&Shop, w, id).await }),
        Form::Leaf => Box::pin(leaf(w, id)),
        Form::Root => Box::pin(root(w, id)),
        Form::RootLink => Box::pin(root_link(w, id)),
        Form::Remote => Box::pin(remote_child(w, id)),
        Form::Unless => Box::pin(unless(w, id, false)),
        Form::Expected => Box::pin(expected(w, id)),
        Form::Ordinary => Box::pin(ordinary(w, id)),
        Form::Timed => Box::pin(timed(w, id)),
        Form::Wrap => {
            Box::pin(async move { traced::span!("by hand: wrap", node = id).wrap(body(w, id)).await })
        }
        Form::Foreign => Box::pin(async move {
            let foreign = Foreign::start(id);
            body(w, id).with_context(foreign.0.clone()).await
        }),
        Form::Stream => unreachable!("streams are consumed"),
        _ => Box::pin(async move { begin(w, id).map_err(Oops) }),
    }
}

/// A span of code that knows nothing of `traced`, which ends when this goes.
struct Foreign(Context);

impl Foreign {
    fn start(id: Id) -> Self {
        let tracer = opentelemetry::global::tracer("foreign");
        let node = i64::try_from(id).expect("programs are small");
        let span =
            tracer.span_builder("foreign").with_attributes([KeyValue::new("node", node)]).start(&tracer);
        Self(Context::current_with_span(span))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.0.span().end();
    }
}

/// A parent in another service.
fn remote(id: Id) -> SpanContext {
    let (trace, span) = (TraceId::from(0xabcd_0000 + id as u128), SpanId::from(0xabcd_0000 + id as u64));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default())
}

fn mark(w: &World, id: Id) {
    traced::event!("mark", by = id);
    if w.program.scribbles {
        differential::scribble(w, id);
    }
}

/// A synchronous function with the interpreter as its body, where the attribute sees the calls that spawn.
macro_rules! sync_function {
    ($(#[$attribute:meta])* fn $name:ident($w:ident, $id:ident $(, $more:ident: $ty:ty)?)) => {
        $(#[$attribute])*
        fn $name($w: World, $id: Id $(, $more: $ty)?) -> SyncDone {
            let node = &$w.program.nodes[$id];
            let _guard = Guard::of(&$w, $id);
            for step in &node.steps {
                match step {
                    Step::Mark => mark(&$w, $id),
                    Step::Call(child, then) => pass(*then, begin($w.clone(), *child))?,
                    Step::Catch(child, again) => {
                        match catch_unwind(AssertUnwindSafe(|| begin($w.clone(), *child))) {
                            Err(panic) if *again => resume_unwind(panic),
                            _ => {}
                        }
                    }
                    Step::Thread(by, child, then) => {
                        let (w, child) = ($w.clone(), *child);
                        let joined = match by {
                            Thread::Std => std::thread::spawn(move || begin(w, child)).join(),
                            Thread::Imported => thread::spawn(move || begin(w, child)).join(),
                            Thread::Builder => thread::Builder::new()
                                .name("built".to_owned())
                                .spawn(move || begin(w, child))
                                .expect("a thread")
                                .join(),
                            Thread::Ours => traced::thread::spawn(move || begin(w, child)).join(),
                            Thread::Scoped => {
                                thread::scope(|scope| scope.spawn(traced::propagate(|| begin(w, child))).join())
                            }
                            Thread::Rayon => {
                                let (tell, told) = std::sync::mpsc::channel();
                                rayon::spawn(move || {
                                    let _ = tell.send(catch_unwind(AssertUnwindSafe(|| begin(w, child))));
                                });
                                told.recv().expect("it tells even its panic")
                            }
                        };
                        pass_joined(*then, $id, joined)?;
                    }
                    step => unreachable!("{step:?} is not synchronous"),
                }
            }
            match node.end {
                End::Ok => Ok(()),
                End::Err => Err(error_of($id)),
                End::Panic => panic!("{}", panic_of($id)),
                End::Stuck => unreachable!("nothing synchronous gets stuck"),
            }
        }
    };
}

/// As `sync_function`, asynchronous.
macro_rules! function {
    ($(#[$attribute:meta])* async fn $name:ident($w:ident, $id:ident $(, $more:ident: $ty:ty)?)) => {
        $(#[$attribute])*
        async fn $name($w: World, $id: Id $(, $more: $ty)?) -> Done {
            let node = &$w.program.nodes[$id];
            let _guard = Guard::of(&$w, $id);
            for step in &node.steps {
                match step {
                    Step::Mark => mark(&$w, $id),
                    Step::Yield(times) => {
                        for _ in 0..*times {
                            task::yield_now().await;
                        }
                    }
                    Step::Call(child, then) => pass(*then, start($w.clone(), *child).await)?,
                    Step::Catch(child, again) => {
                        match AssertUnwindSafe(start($w.clone(), *child)).catch_unwind().await {
                            Err(panic) if *again => resume_unwind(panic),
                            _ => {}
                        }
                    }
                    Step::Join(by, children, then) => {
                        let stuck = children.iter().any(|child| $w.is_stuck(*child));
                        let running = children.iter().map(|child| beside($w.clone(), *child, stuck));
                        let done = match by {
                            JoinBy::All => futures_util::future::join_all(running).await,
                            JoinBy::Unordered => {
                                let numbered = running.enumerate().map(|(i, done)| done.map(move |done| (i, done)));
                                let mut done: Vec<_> =
                                    numbered.collect::<futures_util::stream::FuturesUnordered<_>>().collect().await;
                                done.sort_by_key(|(i, _)| *i);
                                done.into_iter().map(|(_, done)| done).collect()
                            }
                        };
                        for done in done {
                            pass(*then, done)?;
                        }
                    }
                    Step::Spawn(children, then) => {
                        let handles: Vec<_> = children
                            .iter()
                            .map(|(by, child)| {
                                let (w, child) = ($w.clone(), *child);
                                match by {
                                    Spawner::Tokio => tokio::spawn(async move { start(w, child).await }),
                                    Spawner::Task => task::spawn(start(w, child)),
                                    Spawner::Ours => traced::spawn(start(w, child)),
                                    Spawner::Propagated => {
                                        let work = traced::propagate(async move { start(w, child).await });
                                        tokio::runtime::Handle::current().spawn(work)
                                    }
                                }
                            })
                            .collect();
                        let mut joined = Vec::new();
                        for handle in handles {
                            joined.push(handle.await);
                        }
                        for joined in joined {
                            pass_joined(*then, $id, joined)?;
                        }
                    }
                    Step::Blocking(by, child, then) => {
                        let (w, child) = ($w.clone(), *child);
                        let run = move || begin(w, child);
                        let joined = match by {
                            Blocker::Task => task::spawn_blocking(run).await.map_err(drop),
                            Blocker::Ours => traced::spawn_blocking(run).await.map_err(drop),
                            Blocker::Propagated => {
                                let work = traced::propagate(run);
                                tokio::runtime::Handle::current().spawn_blocking(work).await.map_err(drop)
                            }
                            Blocker::Thread => std::thread::spawn(run).join().map_err(drop),
                        };
                        pass_joined(*then, $id, joined.map(|done| done.map_err(Oops)))?;
                    }
                    Step::Set(children, then) => {
                        let mut set = traced::JoinSet::new();
                        for child in children {
                            let (w, child) = ($w.clone(), *child);
                            if w.program.nodes[child].form.is_sync() {
                                set.spawn_blocking(move || {
                                    (child, catch_unwind(AssertUnwindSafe(|| begin(w, child).map_err(Oops))))
                                });
                            } else {
                                set.spawn(async move {
                                    (child, AssertUnwindSafe(start(w, child)).catch_unwind().await)
                                });
                            }
                        }
                        let mut joined = set.join_all().await;
                        joined.sort_by_key(|(child, _)| *child);
                        for (_, joined) in joined {
                            pass_joined(*then, $id, joined)?;
                        }
                    }
                    Step::Cancel(by, child) => {
                        let (scoped, child) = ($w.scoped(), *child);
                        let reports = $w.program.reports[child];
                        match by {
                            CancelBy::Select => tokio::select! {
                                done = start(scoped.clone(), child) => unreachable!("{done:?} of a stuck call"),
                                () = scoped.settled(reports) => {}
                            },
                            CancelBy::Timeout => {
                                let mut running = start(scoped.clone(), child);
                                let mut settled = pin!(scoped.settled(reports));
                                futures_util::future::select(&mut running, &mut settled).await;
                                let timeout = std::time::Duration::from_millis(0);
                                tokio::time::timeout(timeout, running).await.expect_err("it is stuck");
                            }
                            CancelBy::Elsewhere => {
                                let mut running = start(scoped.clone(), child);
                                futures_util::future::select(&mut running, pin!(scoped.settled(reports))).await;
                                std::thread::spawn(move || drop(running)).join().expect("no panic");
                            }
                            CancelBy::Abortable => {
                                let (running, handle) =
                                    futures_util::future::abortable(start(scoped.clone(), child));
                                let abort = async {
                                    scoped.settled(reports).await;
                                    handle.abort();
                                };
                                let (done, ()) = futures_util::future::join(running, abort).await;
                                done.expect_err("it is stuck");
                            }
                            CancelBy::Abort => {
                                let handle = tokio::spawn(start(scoped.clone(), child));
                                scoped.settled(reports).await;
                                handle.abort();
                                assert!(handle.await.expect_err("it is stuck").is_cancelled());
                            }
                            CancelBy::Set => {
                                let mut set = traced::JoinSet::new();
                                let (gone, w) = (Gone::tell(&$w.program.going), scoped.clone());
                                set.spawn(async move {
                                    let _gone = gone;
                                    start(w, child).await
                                });
                                scoped.settled(reports).await;
                                drop(set);
                            }
                        }
                    }
                    Step::Held(child) => {
                        let mut set = traced::JoinSet::new();
                        let (gone, w, child) = (Gone::tell(&$w.program.going), $w.clone(), *child);
                        set.spawn(async move {
                            let _gone = gone;
                            start(w, child).await
                        });
                        let done = set.join_next().await;
                        unreachable!("{done:?} of a stuck call");
                    }
                    Step::Never(child) => drop(start($w.clone(), *child)),
                    Step::Burst(children, bomb) => {
                        let scoped = $w.scoped();
                        let reports = |child: &Id| $w.program.reports[*child].max(1);
                        let reports = children.iter().map(reports).sum();
                        let mut running: Vec<Running> =
                            children.iter().map(|child| beside(scoped.clone(), *child, true)).collect();
                        let (w, bomb) = ($w.clone(), *bomb);
                        running.push(Box::pin(async move {
                            scoped.settled(reports).await;
                            start(w, bomb).await
                        }));
                        let done = futures_util::future::join_all(running).await;
                        unreachable!("{done:?} of a panic");
                    }
                    Step::Stream { stream, take, between } => {
                        let mut items = pin!(items($w.clone(), *stream));
                        let (mut taken, mut between) = (0, *between);
                        while take.is_none_or(|take| taken < take) && items.next().await.is_some() {
                            taken += 1;
                            if let Some(between) = between.take() {
                                start($w.clone(), between).await?;
                            }
                        }
                    }
                    Step::Detach(child) => {
                        let (gone, w, child) = (Gone::tell(&$w.program.detached), $w.clone(), *child);
                        tokio::spawn(async move {
                            let _gone = gone;
                            let _over = w.program.over.acquire().await;
                            let _ = start(w.clone(), child).await;
                        });
                    }
                    Step::Thread(..) => unreachable!("asynchronous calls block otherwise"),
                }
            }
            match node.end {
                End::Ok => Ok(()),
                End::Err => Err(Oops(error_of($id))),
                End::Panic => panic!("{}", panic_of($id)),
                End::Stuck => {
                    $w.report();
                    std::future::pending().await
                }
            }
        }
    };
}

/// A call among others: its panic is its own, and if one of them is stuck it reports that it is over.
fn beside(w: World, id: Id, one_is_stuck: bool) -> Running {
    Box::pin(async move {
        let done = AssertUnwindSafe(start(w.clone(), id)).catch_unwind().await;
        if one_is_stuck {
            w.report();
        }
        done.unwrap_or(Ok(()))
    })
}

sync_function! {
    #[traced(attr(
        node = id, even = id.is_multiple_of(2), half = 0.5, fixed = "a literal", text = tail_of(id),
        some = id.is_multiple_of(3).then_some(id), list = [id, 7], shown = %tail_of(id), debugged = ?(id, "two"),
    ))]
    fn plain(w, id)
}
sync_function! {
    #[traced(attr(node = id))]
    #[track_caller]
    fn tracked(w, id)
}
sync_function! {
    #[traced(leaf, kind = client, attr(node = id, fixed = "a literal", shown = %tail_of(id), big = u64::MAX))]
    fn sync_leaf(w, id)
}
sync_function! {
    #[traced(root, attr(node = id))]
    fn sync_root(w, id)
}
sync_function! {
    #[traced(root(link), attr(node = id))]
    fn sync_root_link(w, id)
}
sync_function! {
    #[traced(when = on, attr(node = id))]
    fn sync_unless(w, id, on: bool)
}
sync_function! {
    #[traced(error_if(_ => false), err(error => text = error, length = error.len()), attr(node = id))]
    fn sync_expected(w, id)
}
sync_function! {
    #[traced(errors = off, ret(?), scope = "shop", attr(node = id))]
    fn sync_ordinary(w, id)
}

/// The body of a function that has its span from elsewhere.
fn sync_body(w: World, id: Id) -> SyncDone {
    sync_unless(w, id, false)
}

function! {
    #[traced(kind = server, ok(() => went = "well"), err(error => %error), attr(node = id, texts = ["a", "é"]))]
    async fn call(w, id)
}
function! {
    #[traced(when = on, attr(node = id))]
    async fn unless(w, id, on: bool)
}

/// The body of a function that has its span from elsewhere.
fn body(w: World, id: Id) -> Running {
    Box::pin(unless(w, id, false))
}

#[traced(future, attr(node = id))]
fn boxed(w: World, id: Id) -> Running {
    Box::pin(async move { body(w, id).await })
}

#[traced(attr(node = id))]
fn opaque(w: World, id: Id) -> impl Future<Output = Done> + Send {
    body(w, id)
}

#[traced(leaf, attr(node = id))]
async fn leaf(w: World, id: Id) -> Done {
    body(w, id).await
}

#[traced(root, attr(node = id))]
async fn root(w: World, id: Id) -> Done {
    body(w, id).await
}

#[traced(root(link), attr(node = id))]
async fn root_link(w: World, id: Id) -> Done {
    body(w, id).await
}

#[traced(parent = remote(id), name = "remote", attr(node = id))]
async fn remote_child(w: World, id: Id) -> Done {
    body(w, id).await
}

#[traced(error_if(_ => false), attr(node = id))]
async fn expected(w: World, id: Id) -> Done {
    body(w, id).await
}

#[traced(errors = off, attr(node = id))]
async fn ordinary(w: World, id: Id) -> Done {
    body(w, id).await
}

#[traced(timing, attr(node = id))]
async fn timed(w: World, id: Id) -> Done {
    body(w, id).await
}

#[derive(Clone, Copy)]
struct Shop;

#[traced]
impl Shop {
    #[traced(attr(node = id))]
    async fn method(&self, w: World, id: Id) -> Done {
        body(w, id).await
    }

    #[traced(attr(node = id))]
    fn associated(w: World, id: Id) -> SyncDone {
        sync_body(w, id)
    }
}

#[async_trait::async_trait]
trait Through {
    async fn through_a_trait(&self, w: World, id: Id) -> Done;
}

#[traced]
#[async_trait::async_trait]
impl Through for Shop {
    #[traced(attr(node = id))]
    async fn through_a_trait(&self, w: World, id: Id) -> Done {
        body(w, id).await
    }
}

#[traced(attr(node = id))]
fn items(w: World, id: Id) -> impl Stream<Item = Done> + Send {
    futures_util::stream::unfold(0, move |at| {
        let w = w.clone();
        async move {
            let Step::Call(child, _) = w.program.nodes[id].steps.get(at)? else {
                unreachable!("a stream has only calls")
            };
            Some((start(w.clone(), *child).await, at + 1))
        }
    })
}

// ------------------------------------------------------------------------------------------- the comparison

/// Runs the program of a seed; says what is wrong.
async fn check(seed: u64) -> Result<Vec<Expected>, String> {
    let nodes = Generator::program(seed);
    let Prediction { expected, reports, detached } = predict(&nodes);
    let world = World::of(Program::new(nodes, reports));
    let (_, trace) =
        if world.is_sync() { capture(|| world.begin()) } else { capture(world.clone().run()).await };
    let faults = compare(&expected, &detached, &trace);
    if faults.is_empty() {
        return Ok(expected.into_values().collect());
    }
    let mut report = format!("seed {seed}:\n{faults}\nthe program:\n");
    let _ = writeln!(report, "{}\nthe trace:\n{trace}", world.program);
    Err(report)
}

/// Whether captures are recorded by the SDK.
fn by_sdk() -> bool {
    std::env::var_os("TRACED_CAPTURE").is_some_and(|by| by == "sdk")
}

fn compare(expected: &HashMap<Id, Expected>, detached: &[(Id, Id)], trace: &Trace) -> String {
    let mut faults = String::new();
    let mut found: HashMap<Id, SpanView<'_>> = HashMap::new();
    let mut ids: HashMap<SpanId, Id> = HashMap::new();
    for span in trace.spans() {
        let node = match span.attribute("node").value() {
            Some(opentelemetry::Value::I64(node)) => usize::try_from(*node).expect("a node"),
            other => {
                let _ = writeln!(faults, "a stray span `{}` of node {other:?}", span.name());
                continue;
            }
        };
        if found.insert(node, span).is_some() {
            let _ = writeln!(faults, "{node} is there twice");
        }
        ids.insert(span.span_id(), node);
        if !span.has_ended() {
            let _ = writeln!(faults, "{node} has not ended");
        }
    }
    let whose = |id: SpanId| match ids.get(&id) {
        Some(node) => Parent::Of(*node),
        None if id == SpanId::INVALID => Parent::None,
        None if u64::from_be_bytes(id.to_bytes()) & !0xffff == 0xabcd_0000 => Parent::Remote(id),
        None => Parent::Stranger,
    };
    for (node, span) in &found {
        let events = |name: &'static str| span.events().filter(move |event| event.name() == name);
        let text = |value: Option<&opentelemetry::Value>| value.map(|value| value.as_str().into_owned());
        let is = Expected {
            name: Box::leak(span.name().to_owned().into_boxed_str()),
            parent: whose(span.data().parent_span_id),
            status: span.status(),
            error_type: text(span.attribute("error.type").value()),
            cancelled: span.attribute("cancelled") == true,
            exceptions: events("exception")
                .map(|event| text(event.attribute("exception.message").value()).unwrap_or_default())
                .collect(),
            marks: events("mark").count(),
            links: span.links().map(|link| whose(link.span_id())).collect(),
        };
        match expected.get(node) {
            None => {
                let _ = writeln!(faults, "{node} was not expected: {is:?}");
            }
            Some(expected) if *expected != is => {
                let _ = writeln!(faults, "{node}\n  expected {expected:?}\n  but is   {is:?}");
            }
            Some(_) => {}
        }
        let in_trace = match is.parent {
            Parent::Of(parent) => found[&parent].trace_id(),
            Parent::Remote(_) => remote(*node).trace_id(),
            _ => continue,
        };
        if span.trace_id() != in_trace {
            let _ = writeln!(faults, "{node} is in another trace than its parent");
        }
    }
    for node in expected.keys().filter(|node| !found.contains_key(node)) {
        let _ = writeln!(faults, "{node} is lost: {:?}", expected[node]);
    }
    // Times of ours are placed by notes of the calendar, which may lie apart by as much; the SDK asks the calendar itself.
    let skew = std::time::Duration::from_micros(if by_sdk() { 0 } else { 200 });
    for (span, task) in detached {
        if let (Some(span), Some(task)) = (found.get(span), found.get(task))
            && span.data().end_time > task.data().start_time + skew
        {
            let _ = writeln!(faults, "`{}` waited for its detached `{}`", span.name(), task.name());
        }
    }
    faults
}

/// The panics of the programs are not worth a line each.
fn hush() {
    static HUSHED: Once = Once::new();
    HUSHED.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>().map_or("", String::as_str);
            if !text.starts_with("panic of ") && !text.starts_with("raised by ") {
                next(info);
            }
        }));
    });
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_random_program_yields_exactly_the_tree_an_oracle_predicts() {
    const AT_ONCE: usize = 6;
    hush();
    let (first, count) = match (number("TRACED_ORACLE_SEED"), number("TRACED_ORACLE_COUNT")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (0, count.unwrap_or(10_000)),
    };
    let lanes: Vec<_> = (0..AT_ONCE)
        .map(|lane| {
            tokio::spawn(async move {
                let (mut spans, mut reports) = (Vec::new(), Vec::new());
                for seed in (first..first + count).skip(lane).step_by(AT_ONCE) {
                    let long = std::time::Duration::from_secs(30);
                    match tokio::time::timeout(long, check(seed)).await {
                        Ok(Ok(more)) => spans.extend(more),
                        Ok(Err(report)) => reports.push(report),
                        Err(_) => reports.push(format!("seed {seed} never ends")),
                    }
                }
                (spans, reports)
            })
        })
        .collect();
    let (mut spans, mut reports) = (Vec::new(), Vec::new());
    for lane in lanes {
        let (more, others) = lane.await.expect("the oracle does not panic");
        spans.extend(more);
        reports.extend(others);
    }
    reports.sort_by_key(String::len);
    let shortest = reports.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        reports.is_empty(),
        "{} of {count} programs left other spans than predicted; the shortest:\n{shortest}",
        reports.len()
    );
    if count >= 1_000 {
        assert_variety(&spans);
    }
}

/// Programs in which nothing happens would prove nothing.
fn assert_variety(spans: &[Expected]) {
    let count = |what: fn(&Expected) -> bool| spans.iter().filter(|span| what(span)).count();
    for form in SYNC.iter().chain(ASYNC).filter(|form| form.has_span()) {
        assert!(spans.iter().filter(|span| span.name == form.name()).count() > 50, "too few of {form:?}");
    }
    let happened = [
        ("streams", count(|span| span.name == "items")),
        ("errors", count(|span| span.status.starts_with("error: error"))),
        (
            "errors on their way",
            count(|span| span.status.starts_with("error: error") && span.exceptions.is_empty()),
        ),
        ("panics", count(|span| span.error_type.as_deref() == Some("panic"))),
        ("cancelled calls", count(|span| span.cancelled)),
        ("links", count(|span| !span.links.is_empty())),
        ("events", count(|span| span.marks > 0)),
    ];
    for (what, count) in happened {
        assert!(count > 50, "too few {what}: {count}");
    }
}

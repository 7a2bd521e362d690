#!/usr/bin/env python3
"""What an attribute costs at compile time, and what it does to futures.

Generates one crate per variant outside the repository, builds its dependencies, then measures the
crate alone, and prints a table. No figure makes it fail. README.md says what each number means.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]

# What traced must reach: times as a share of tracing's, the size in megabytes.
TARGETS = {"check": 0.32, "build": 0.35, "release": 0.60, "size": 1.4}
TARGET_LEVELS = 20
TARGET_BYTES = 64  # a level, beyond one more copy of the arguments
ARGUMENT_BYTES = 8  # one u64

FUNCTIONS = 500  # of each kind, sync and async
STEPS = ["check", "build", "release"]
DEEPEST = 64  # levels; no bisection beyond
LEAF_DEPTH = 26  # nested types that the innermost future holds; README.md says why


class Variant(NamedTuple):
    name: str
    attribute: str
    dependency: str = ""


# The peers are pinned to the versions that the targets were set against.
TRACING = 'tracing = "=0.1.44"'
FASTRACE = 'fastrace = { version = "=0.7.19", features = ["enable"] }'
TRACED = "traced = { path = 'PATH', default-features = true }"

COST = [
    Variant("bare", ""),
    Variant("tracing", "#[tracing::instrument(skip_all, fields(a, b), err)]", TRACING),
    Variant("fastrace", '#[fastrace::trace(properties = { "a": "{a}", "b": "{b}" })]', FASTRACE),
    Variant("traced", "#[traced::traced(attr(a, b))]", TRACED),
]
FUTURES = [
    Variant("bare", ""),
    Variant("tracing", "#[tracing::instrument(skip_all, fields(a))]", TRACING),
    Variant("tracing-err", "#[tracing::instrument(skip_all, fields(a), err)]", TRACING),
    Variant("traced", "#[traced::traced(attr(a))]", TRACED),
]


# --- the generated crates -------------------------------------------------------------------

# Its own workspace, so that no workspace above the temporary folder claims it.
MANIFEST = """\
[package]
name = "{package}"
version = "0.0.0"
edition = "2024"

[dependencies]
{dependency}

[profile.release]
strip = "symbols"

[workspace]
"""


def cost_source(attribute: str) -> str:
    """Functions of both kinds, and a `main` that calls the ones and boxes and polls the others."""
    numbers = range(FUNCTIONS)
    functions = "".join(f"""
{attribute}
fn sync_{i}(a: u64, b: u64) -> Result<u64, String> {{
    if a == {i} {{ return Err(String::new()); }}
    Ok(a + b)
}}
{attribute}
async fn async_{i}(a: u64, b: u64) -> Result<u64, String> {{
    if a == {i} {{ return Err(String::new()); }}
    std::future::ready(()).await;
    Ok(a + b)
}}""" for i in numbers)
    calls = "\n    ".join(f"sum += sync_{i}(a, 2).unwrap_or_default();" for i in numbers)
    boxes = "\n        ".join(f"Box::pin(async_{i}(a, 2))," for i in numbers)
    return f"""\
use std::pin::Pin;
use std::task::{{Context, Poll, Waker}};
{functions}
fn main() {{
    let a = std::env::args().count() as u64;
    let mut sum = 0;
    {calls}
    let futures: Vec<Pin<Box<dyn Future<Output = Result<u64, String>>>>> = vec![
        {boxes}
    ];
    let mut context = Context::from_waker(Waker::noop());
    for mut future in futures {{
        if let Poll::Ready(Ok(n)) = future.as_mut().poll(&mut context) {{ sum += n; }}
    }}
    println!("{{sum}}");
}}
"""


def futures_source(attribute: str, levels: int, leaf_depth: int) -> str:
    """A chain of async functions, the outermost checked for `Send`; prints what that one adds."""
    chain = "".join(f"""
{attribute}
async fn level_{i}(a: u64) -> Result<u64, String> {{ level_{i - 1}(a).await }}
""" for i in range(1, levels))
    return f"""\
#[allow(dead_code)]
struct Layer<T>(T);
type Held = std::marker::PhantomData<{"Layer<" * leaf_depth}u64{">" * leaf_depth}>;

fn send<T: Send>(future: T) -> T {{ future }}

{attribute}
async fn level_0(a: u64) -> Result<u64, String> {{
    let held: Held = std::marker::PhantomData;
    std::future::ready(()).await;
    std::hint::black_box(&held);
    Ok(a)
}}
{chain}
fn main() {{
    let outermost = size_of_val(&send(level_{levels - 1}(1)));
    println!("{{}}", outermost - size_of_val(&level_{levels - 2}(1)));
}}
"""


class CargoFailed(Exception):
    """Carries what cargo and rustc said."""


class Crate:
    """One generated crate."""

    def __init__(self, variant: Variant, options: argparse.Namespace):
        self.name, self.attribute = variant.name, variant.attribute
        self.package = f"{options.mode}-{variant.name}"
        self.folder = options.dir / self.package
        self.target = options.dir / "target"
        self.environment = environment(self.target, options.incremental)
        self.main = self.folder / "src" / "main.rs"
        self.main.parent.mkdir(parents=True, exist_ok=True)
        dependency = variant.dependency.replace("PATH", str(options.path))
        manifest = MANIFEST.format(package=self.package, dependency=dependency)
        (self.folder / "Cargo.toml").write_text(manifest, encoding="utf-8")

    def cargo(self, step: str) -> None:
        flags = {"check": ["check"], "build": ["build"], "release": ["build", "--release"]}[step]
        run = subprocess.run(["cargo", *flags, "--color=never"], cwd=self.folder,
                             env=self.environment, capture_output=True, encoding="utf-8")
        # To time a crate that cargo found fresh would be to time nothing.
        if run.returncode != 0 or f"ing {self.package} v0.0.0" not in run.stderr:
            raise CargoFailed(run.stderr)

    def binary(self, profile: str) -> Path:
        return self.target / profile / (self.package + (".exe" if os.name == "nt" else ""))


def environment(target: Path, incremental: bool) -> dict[str, str]:
    """The caller's, less the settings that would change what is measured."""
    theirs = re.compile(r"RUSTFLAGS|CARGO_(ENCODED_RUSTFLAGS|BUILD_|PROFILE_|TERM_)")
    kept = {key: value for key, value in os.environ.items() if not theirs.match(key)}
    return kept | {
        "CARGO_INCREMENTAL": "1" if incremental else "0",
        "CARGO_TARGET_DIR": str(target),
        "RUSTC_WRAPPER": "",  # a compiler cache would answer in rustc's place
        "RUSTC_WORKSPACE_WRAPPER": "",
    }


# --- compile cost ---------------------------------------------------------------------------


def seconds(cpu: bool) -> float:
    spent = os.times()
    return spent.children_user + spent.children_system if cpu else time.perf_counter()


def prepare_cost(crate: Crate, step: str, options: argparse.Namespace) -> None:
    """Builds the dependencies; with `--incremental` fills rustc's cache too."""
    progress(f"{step}: {crate.name}, dependencies")
    crate.main.write_text("fn main() {}\n")
    crate.cargo(step)
    crate.main.write_text(cost_source(crate.attribute))
    if options.incremental:
        crate.cargo(step)


def measure_cost(crates: list[Crate], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Median seconds a step, and the size in megabytes, of each variant that compiles."""
    results: dict[str, dict[str, float]] = {crate.name: {} for crate in crates}
    for step in options.steps:
        taken: dict[str, list[float]] = {name: [] for name in results}
        # Round by round, so that a machine that slows down slows every variant.
        for turn in range(options.runs + 1):
            for crate in [crate for crate in crates if crate.name in results]:
                try:
                    if turn == 0:
                        prepare_cost(crate, step, options)
                        continue
                    progress(f"{step}: {crate.name}, run {turn} of {options.runs}")
                    os.utime(crate.main)
                    begun = seconds(options.cpu)
                    crate.cargo(step)
                    taken[crate.name].append(seconds(options.cpu) - begun)
                except CargoFailed as failure:
                    progress(f"{crate.name} does not compile:\n{failure}")
                    del results[crate.name]
        for name, result in results.items():
            result[step] = statistics.median(taken[name])
    if "release" in options.steps:
        for crate in crates:
            if crate.name in results:
                results[crate.name]["size"] = crate.binary("release").stat().st_size / 1e6
    return results


def cost_rows(results: dict[str, dict[str, float]]) -> list[list[str]]:
    reference = results.get("tracing", {})
    rows = [["variant", "check", "build", "release", "stripped", "targets"]]
    for name, result in results.items():
        row, verdicts = [name], []
        for key, target in TARGETS.items():
            if key not in result:
                row.append("–")
                continue
            value = result[key]
            ratio = value / reference[key] if key in reference else None
            row.append(f"{value:.2f} {'MB' if key == 'size' else 's'}")
            row[-1] += f" ({ratio:.2f}×)" if ratio is not None else ""
            judged = value if key == "size" else ratio
            if judged is not None:
                verdicts.append(f"{key} {verdict(judged <= target)}")
        rows.append([*row, ", ".join(verdicts) if name == "traced" else ""])
    goals = [f"≤ {TARGETS[step]:.2f}×" for step in STEPS]
    return [*rows, ["traced must reach", *goals, f"≤ {TARGETS['size']} MB", ""]]


# --- futures --------------------------------------------------------------------------------


def nest(crate: Crate, leaf_depth: int) -> tuple[int, int]:
    """How many levels compile, by bisection, and the bytes that the outermost of them adds."""

    def added(levels: int) -> int:
        progress(f"futures: {crate.name}, {levels} levels")
        crate.main.write_text(futures_source(crate.attribute, levels, leaf_depth))
        crate.cargo("build")  # not `check`: layouts have a depth limit of their own
        return int(subprocess.check_output([crate.binary("debug")]))

    deepest, too_deep, size = 2, DEEPEST + 1, added(2)
    while too_deep - deepest > 1:
        levels = (deepest + too_deep) // 2
        try:
            deepest, size = levels, added(levels)
        except CargoFailed as failure:
            if not re.search(r"E0275|recursion_limit|depth limit", str(failure)):
                raise
            too_deep = levels
    return deepest, size


def measure_futures(crates: list[Crate], options: argparse.Namespace) -> dict[str, tuple[int, int]]:
    results = {}
    for crate in crates:
        try:
            results[crate.name] = nest(crate, options.leaf_depth)
        except CargoFailed as failure:
            progress(f"{crate.name} does not compile:\n{failure}")
    return results


def futures_rows(results: dict[str, tuple[int, int]]) -> list[list[str]]:
    rows = [["variant", "levels", "bytes a level", "targets"]]
    for name, (levels, size) in results.items():
        verdicts = (f"levels {verdict(levels >= TARGET_LEVELS)}, "
                    f"bytes {verdict(size <= TARGET_BYTES + ARGUMENT_BYTES)}")
        depth = f"≥ {levels}" if levels == DEEPEST else str(levels)
        rows.append([name, depth, str(size), verdicts if name == "traced" else ""])
    goal = f"≤ {TARGET_BYTES} + {ARGUMENT_BYTES}"
    return [*rows, ["traced must reach", f"≥ {TARGET_LEVELS}", goal, ""]]


# --- the command line -----------------------------------------------------------------------


def verdict(reached: bool) -> str:
    return "met" if reached else "MISSED"


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in [rows[0], ["-" * width for width in widths], *rows[1:]]:
        print("| " + " | ".join(map(str.ljust, row, widths)) + " |")


def conditions(options: argparse.Namespace) -> str:
    rustc = subprocess.check_output(["rustc", "--version"], encoding="utf-8").strip()
    if options.mode == "futures":
        return f"{rustc}; innermost future {options.leaf_depth} types deep"
    return (f"{rustc}; {os.cpu_count()} cores; median of {options.runs}; "
            f"{'CPU' if options.cpu else 'wall'} time; "
            f"{'incremental' if options.incremental else 'not incremental'}; "
            "default profiles (dev: opt-level 0, full debug info), release stripped")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(tempfile.gettempdir()) / "traced-compile-cost"
    add = parser.add_argument
    add("mode", nargs="?", choices=["cost", "futures"], default="cost")
    add("--quick", action="store_true", help="one run, no release build")
    add("--runs", type=int, default=3, help="take the median of so many (default 3)")
    add("--steps", default=",".join(STEPS), help="which of check,build,release")
    add("--only", metavar="VARIANTS", help="comma-separated; ratios need tracing among them")
    add("--path", type=Path, default=REPOSITORY / "runtime", help="folder of the crate traced")
    add("--dir", type=Path, default=default, help=f"where to generate and build ({default})")
    add("--cpu", action="store_true", help="CPU time instead of wall time, for a busy machine")
    add("--incremental", action="store_true", help="rebuild as after saving an unchanged file")
    add("--leaf-depth", type=int, default=LEAF_DEPTH, help="futures: see README.md")
    options = parser.parse_args()
    options.path, options.dir = options.path.resolve(), options.dir.resolve()
    known = COST if options.mode == "cost" else FUTURES
    names = [variant.name for variant in known]
    only = options.only.split(",") if options.only else names
    options.steps = options.steps.split(",")
    for given, allowed in [(options.steps, STEPS), (only, names)]:
        for word in given:
            if word not in allowed:
                parser.error(f"unknown `{word}`; expected one of {', '.join(allowed)}")
    if options.runs < 1:
        parser.error("`--runs` is at least 1")
    if options.quick:
        options.runs, options.steps = 1, [step for step in options.steps if step != "release"]
    options.variants = [variant for variant in known if variant.name in only]
    return options


def main() -> None:
    options = parse_options()
    crates = [Crate(variant, options) for variant in options.variants]
    if options.mode == "cost":
        results = measure_cost(crates, options)
        rows = cost_rows(results)
    else:
        results = measure_futures(crates, options)
        rows = futures_rows(results)
    print(conditions(options) + "\n")
    print_table(rows)
    missing = [crate.name for crate in crates if crate.name not in results]
    if missing:
        sys.exit(f"\nnot measured, because it does not compile: {', '.join(missing)}")


if __name__ == "__main__":
    main()

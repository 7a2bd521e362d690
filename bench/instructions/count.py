#!/usr/bin/env python3
"""Counts the instructions that a span costs the thread that makes it, and compares them with `expected.json`.

Exits with 1 if a row got worse than the allowance, if a program that sets nothing up holds the recorder, or if it could
not count where CI=true. README.md, one folder up, says what the rows are.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
ROWS = ["sync", "leaf", "attrs3", "string1", "root", "async", "error", "unsampled", "off"]
SPANS = 2_000  # of a row, at least: they fit into the queue, so that none is dropped
PER_TRACE = {"root": 1, "async": 21, "unsampled": 10_000, "off": 10_000}  # the others: 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; default all")
    parser.add_argument("--bless", action="store_true", help="write what was counted to expected.json")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")

    binaries = build()
    if held := recorder_in(binaries["idle"]):
        sys.exit(
            f"instructions: a program that sets nothing up holds {', '.join(held)}. What generated code reaches is "
            "compiled where it is used or stands in `core/`; CONTRIBUTING.md says why"
        )
    if not has_valgrind():
        if os.environ.get("CI") == "true":
            sys.exit("instructions: valgrind is not installed, and apt-get could not install it")
        print("instructions: skipped, valgrind is not installed")
        return
    counts = {row: count(binaries["instructions"], row) for row in options.rows or ROWS}
    expected = json.loads(EXPECTED.read_text())
    worse = compare(counts, expected)
    if options.bless:
        expected["rustc"] = rustc()
        expected["instructions"].update(counts)
        EXPECTED.write_text(json.dumps(expected, indent=2) + "\n")
    elif worse:
        sys.exit(
            f"\nworse by more than {expected['allowance']:.0%}: {', '.join(worse)}. "
            f"Counted with rustc {rustc()}, expected with {expected['rustc']}.\n"
            "Make it cheaper, or, if it must cost that, run `python3 bench/instructions/count.py --bless` and say why "
            "in the commit."
        )


def has_valgrind() -> bool:
    """Whether it is there; on CI, whether it can be had."""
    commands = [["apt-get", "install", "-y", "valgrind"], ["apt-get", "update"], ["apt-get", "install", "-y", "valgrind"]]
    while not shutil.which("valgrind"):
        if os.environ.get("CI") != "true" or not shutil.which("apt-get") or not commands:
            return False
        subprocess.run(commands.pop(0), check=False, stdout=sys.stderr)
    return True


def build() -> dict[str, Path]:
    """The binaries by their names, as cargo builds them for release."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True)
    artifacts = (json.loads(line) for line in built.stdout.splitlines())
    return {found["target"]["name"]: Path(found["executable"]) for found in artifacts if found.get("executable")}


def recorder_in(binary: Path) -> list[str]:
    """What a binary, whose symbols are all there, holds of what only a set-up needs."""
    content = binary.read_bytes()
    if b"traced_core" not in content:
        sys.exit(f"instructions: {binary.name} shows no symbols; is it stripped?")
    return [name for name in ["opentelemetry_sdk", "6traced6record", "6traced3own"] if name.encode() in content]


def count(binary: Path, row: str) -> float:
    """Instructions per span of the main thread, inside of the binary's `measured` and what it calls."""
    traces = SPANS // PER_TRACE.get(row, 100) + 1
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--toggle-collect=*instructions*measured*",
            f"--callgrind-out-file={folder}/out", str(binary), row, str(traces),
        ]
        run = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if run.returncode != 0:
            sys.exit(f"instructions: {row} failed under valgrind")
        # The exporter's thread has a file of its own. A process of one thread has one without a number.
        profile = next(path for name in ["out-01", "out"] if (path := Path(folder, name)).exists())
        totals = next(line for line in profile.read_text().splitlines() if line.startswith("totals:"))
    instructions = int(totals.split()[1])
    if instructions == 0:
        sys.exit("instructions: callgrind has not found `measured` in the binary")
    return round(instructions / int(run.stdout), 1)


def compare(counts: dict[str, float], expected: dict) -> list[str]:
    """Prints the table; gives the rows that got worse than the allowance."""
    worse = []
    print(f"{'':10} {'counted':>9} {'expected':>9}")
    for row, counted in counts.items():
        before = expected["instructions"].get(row, counted)
        change = counted / before - 1
        verdict = ""
        if change > expected["allowance"]:
            verdict = "WORSE"
            worse.append(row)
        elif change < -expected["allowance"]:
            verdict = "better; --bless keeps it"
        print(f"{row:10} {counted:>9.1f} {before:>9.1f} {change:>+7.1%} {verdict}".rstrip())
    return worse


def rustc() -> str:
    version = subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return version.stdout.split()[1]


if __name__ == "__main__":
    main()

"""`make bench`: what webmon takes in a second, what that costs, and how it is with ten million rows.

A real server on a folder of its own, driven over loopback by wrk on the same machine, in turn with the same server's
bare answer; medians of several runs. After every run the event log is asked whether it holds what was acknowledged.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bench import banner, consents, load, machine, promotions, store, work  # noqa: E402
from tests.support.need_chromium import install  # noqa: E402
from webmon.web.embed import PLACEHOLDER  # noqa: E402

INGESTED_ROWS = 300_000


@dataclass(frozen=True)
class Figure:
    """One line of the table; `good` says whether a measured value reaches its target."""

    label: str
    value: float
    shown: str
    target: str = ""
    good: Callable[[float], bool] = lambda _: True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="length of a run")
    parser.add_argument("--runs", type=int, default=3, help="how many runs; the median is shown")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows in the large event log")
    options = parser.parse_args()
    if shutil.which("wrk") is None and shutil.which("apt-get") is not None:
        print("Installing Debian's wrk, which makes the load …", flush=True)
        install("wrk")
    if shutil.which("wrk") is None:
        print("The benchmark needs wrk", file=sys.stderr)
        return 1
    print(machine.describe())
    print(f"{options.runs} runs of {options.seconds} s, {options.connections} connections, generator beside it\n")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(Path(folder), options):
            good = figure.good(figure.value)
            missed += not good
            print(f"{figure.label:<46}{figure.shown:>10}   {figure.target}{'' if good else '   missed'}".rstrip())
            sys.stdout.flush()
    print("\nEvery acknowledged hit is in the event log.")
    return 1 if missed else 0


def figures(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    yield from sizes()
    yield from asking(folder, options)
    guard = statistics.median(work.microseconds_per_hit() for _ in range(options.runs)) / 1000
    yield Figure(
        "bots, agent, place and guard, CPU ms a hit", guard, f"{guard:.4f}", "at most 0.08", lambda v: v <= 0.08
    )
    yield from empty_log(folder, options)
    rate = statistics.median(consents.rates(folder / "consents", options.runs, options.seconds, options.connections))
    yield Figure("recorded consents/s", rate, f"{rate:,.0f}", "at least 1,500", lambda v: v >= 1500)
    yield from stored_rows(folder, options)


def sizes() -> Iterator[Figure]:
    """What a page loads, gzip -9, without the settings of its site."""
    dist = HERE.parent / "static" / "dist"
    size = {path.name.split(".")[0]: _zipped(path) for path in dist.glob("*.js")}
    yield Figure("w.js, gzip bytes", size["w"], f"{size['w']:,}", "at most 1,600", lambda v: v <= 1600)
    if "more" in size:
        both = size["w"] + size["more"]
        yield Figure("w.js and what a site turns on", both, f"{both:,}", "at most 2,400", lambda v: v <= 2400)


def _zipped(path: Path) -> int:
    return len(gzip.compress(path.read_text("utf-8").replace(PLACEHOLDER, "null").encode(), 9))


def asking(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """What a visitor who is asked for consent loads and waits for."""
    bytes_of = banner.sizes()
    ours = bytes_of.pop("webmon")
    yield Figure("banner, preferences, texts; brotli bytes", ours, f"{ours:,}", "at most 6,900", lambda v: v <= 6900)
    for name, size in bytes_of.items():
        yield Figure(f"  {name}, without texts", size, f"{size:,}")
    paints = banner.paint(folder / "paint", 2 * options.runs + 1)
    took, longest = paints["webmon"].took, paints["webmon"].longest_task
    yield Figure("w.js to painted banner, 4x slow-down, ms", took, f"{took:.0f}", "at most 100", lambda v: v <= 100)
    yield Figure("  longest task, ms", longest, f"{longest:.0f}", "at most 50", lambda v: v <= 50)
    for name in ("vanilla-cookieconsent", "plain"):
        label = "a box that asks nobody" if name == "plain" else name
        yield Figure(f"  {label}, ms", paints[name].took, f"{paints[name].took:.0f}")
        yield Figure("    longest task, ms", paints[name].longest_task, f"{paints[name].longest_task:.0f}")


def empty_log(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    bare, runs = in_turn(folder / "empty", options)

    def median(name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs)

    rate, p99, cpu, memory = median("rate"), median("p99"), median("cpu_per_1000"), max(run.memory_mb for run in runs)
    refused = sum(run.refused for run in runs)
    yield Figure(
        "acknowledged page views/s", rate, f"{rate:,.0f}", "at least 3,000; 12,000 aimed at", lambda v: v >= 3000
    )
    yield Figure("bare answers/s of the same server", bare, f"{bare:,.0f}")
    yield Figure("  ratio", rate / bare, f"{rate / bare:.2f}", "at least 0.25", lambda v: v >= 0.25)
    yield Figure("median latency, ms", median("p50"), f"{median('p50'):.1f}")
    yield Figure("99th percentile, ms", p99, f"{p99:.1f}", "under 25", lambda v: v < 25)
    yield Figure("refused or broken off", refused, f"{refused}", "0", lambda v: v == 0)
    yield Figure("CPU seconds per 1,000 hits", cpu, f"{cpu:.3f}", "at most 0.12", lambda v: v <= 0.12)
    yield Figure("peak memory of all processes, MB", memory, f"{memory:.0f}", "under 300", lambda v: v < 300)


def in_turn(data: Path, options: argparse.Namespace) -> tuple[float, list[load.Run]]:
    """Return the bare rate and the runs of webmon, measured in turn."""
    bare: list[float] = []
    runs: list[load.Run] = []
    with load.bare_server() as url, load.webmon(data) as (server, key):
        for seed in range(1, options.runs + 1):
            bare.append(load.wrk(url, options.seconds, options.connections, seed)["rps"])
            runs.append(load.one_run(server, key, options.seconds, options.connections, seed))
    return statistics.median(bare), runs


def stored_rows(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    rate = store.ingest_rate(folder / "ingest", INGESTED_ROWS)
    yield Figure("rows/s from spool to event log", rate, f"{rate:,.0f}", "at least 100,000", lambda v: v >= 100_000)
    data = folder / "large"
    load.make_folder(data)
    began = time.perf_counter()
    size = store.fill(data / "events", options.rows)
    print(f"  (an event log of {options.rows:,} rows, made in {time.perf_counter() - began:.0f} s)")
    yield Figure("bytes a stored row", size, f"{size:.1f}", "at most 40", lambda v: v <= 40)
    _, runs = in_turn(data, options)
    rate = statistics.median(run.rate for run in runs)
    memory = max(run.memory_mb for run in runs)
    yield Figure("page views/s beside these rows", rate, f"{rate:,.0f}")
    yield Figure("peak memory beside these rows, MB", memory, f"{memory:.0f}", "under 300", lambda v: v < 300)
    yield from sign_ins(data, options)


def sign_ins(data: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Sign-ins beside the large event log."""
    ones = promotions.one_by_one(data, max(5, options.runs))
    answered, done = (statistics.median(getattr(one, name) for one in ones) for name in ("answered_ms", "done_ms"))
    yield Figure("sign-in of 20 rows to its answer, ms", answered, f"{answered:.0f}", "at most 50", lambda v: v <= 50)
    yield Figure("  to done, ms", done, f"{done:.0f}", "at most 1,000", lambda v: v <= 1000)
    cpu = statistics.median(one.cpu_ms for one in ones)
    yield Figure("  CPU, ms", cpu, f"{cpu:.0f}")
    many = promotions.sustained(data, 220, options.seconds)
    yield Figure(
        "sign-ins/s, each after a page view", many.rate, f"{many.rate:,.0f}", "at least 200", lambda v: v >= 200
    )
    yield Figure("  99th percentile, ms", many.p99_ms, f"{many.p99_ms:.0f}")
    yield Figure("  CPU for each, ms", many.cpu_ms, f"{many.cpu_ms:.1f}")
    read = statistics.median(promotions.reading_ms() for _ in range(options.runs))
    yield Figure("one person's 10,000 rows, ms", read, f"{read:.0f}", "at most 300", lambda v: v <= 300)
    without, with_ = promotions.beside(data, 20, options.seconds, options.connections, options.runs)
    yield Figure("page views/s with 20 sign-ins/s", with_, f"{with_:,.0f}")
    share = with_ / without
    yield Figure("  of those without", share, f"{share:.2f}", "at least 0.80", lambda v: v >= 0.8)


if __name__ == "__main__":
    sys.exit(main())

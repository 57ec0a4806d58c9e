"""`make bench`: how many page views a second webmon acknowledges, durably, and what that costs.

A real server on a folder of its own, driven over loopback by wrk on the same machine; medians of several runs. After
every run the event log is asked whether it holds just what was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.support.server import WebmonServer, request, wait_until  # noqa: E402

LEAST_RATE = 3000
MOST_MEMORY_MB = 400
SETTLE_SECONDS = 120
METRICS_TOKEN = "bench"  # noqa: S105 - of a server that lives as long as the measurement


@dataclass(frozen=True)
class Run:
    """One run of the load: rates per second, latencies in milliseconds, memory in MB, CPU in seconds."""

    rate: float
    p50: float
    p99: float
    refused: int
    cpu_per_1000: float
    memory_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="length of a run")
    parser.add_argument("--runs", type=int, default=3, help="how many runs; the median is shown")
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("The benchmark needs wrk; on Debian: apt-get install wrk", file=sys.stderr)
        return 1
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        runs, bare = measure(Path(folder), options)
    return report(runs, bare, options)


def measure(folder: Path, options: argparse.Namespace) -> tuple[list[Run], float]:
    settings = {"WEBMON_TRUSTED_PROXIES": "127.0.0.1/32", "WEBMON_METRICS_TOKEN": METRICS_TOKEN}
    server = WebmonServer(folder / "data", **settings)
    server.run("site", "add", "example.org", "--mode", "cookieless_always")
    key = server.last_line("key", "add", "--site", "example.org", "--scope", "stats")
    server.start()
    try:
        bare = statistics.median(
            load(server, options, "GET", "/healthz", seed)["rps"] for seed in range(options.runs)
        )
        runs = [one_run(server, options, key, seed) for seed in range(1, options.runs + 1)]
    finally:
        server.stop()
    return runs, bare


def one_run(server: WebmonServer, options: argparse.Namespace, key: str, seed: int) -> Run:
    before, cpu = stored(server, key), cpu_seconds(server)
    found = load(server, options, "POST", "/api/event", seed)
    acknowledged = found["requests"] - found["non2xx"]
    wait_until(lambda: waiting(server) == 0, SETTLE_SECONDS, "all that was acknowledged is in the event log")
    spent = cpu_seconds(server) - cpu
    # wrk breaks off what is under way when its time is over: at most one more hit per connection may have arrived.
    surplus = stored(server, key) - before - acknowledged
    if not 0 <= surplus <= options.connections:
        raise SystemExit(
            f"{acknowledged} hits were acknowledged, but {surplus:+} more than that are in the event log"
        )
    return Run(
        rate=acknowledged / found["seconds"],
        p50=found["p50_ms"],
        p99=found["p99_ms"],
        refused=found["non2xx"] + found["sock_err"] + found["timeouts"],
        cpu_per_1000=1000 * spent / acknowledged,
        memory_mb=memory_mb(server),
    )


def load(server: WebmonServer, options: argparse.Namespace, method: str, path: str, seed: int) -> dict[str, float]:
    body = '{"name":"pageview","domain":"{host}","url":"https://{host}{path}","referrer":"{ref}"}'
    env = os.environ | {
        "UAS": str(HERE / "load" / "uas.txt"),
        "SITEHOST": "example.org",
        "REQPATH": path,
        "METHOD": method,
        "CTYPE": "text/plain",
        "BODY": body,
        "SEED": str(seed),
    }
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "-s", "pageview.lua", server.url]
    done = subprocess.run(command, env=env, cwd=HERE / "load", capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(re.findall(r"RESULT (\{.*\})", done.stdout)[0])
    return found


def stored(server: WebmonServer, key: str) -> int:
    document = {"site_id": "example.org", "metrics": ["events"], "date_range": "all"}
    return int(server.query(key, **document)["results"][0]["metrics"][0])


def waiting(server: WebmonServer) -> int:
    """How many hits are still in the spool."""
    answer = request("GET", f"{server.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    return int(float(re.findall(r"^webmon_spool_waiting (\S+)", answer.body.decode(), re.MULTILINE)[0]))


def processes(server: WebmonServer) -> list[Path]:
    """The server's processes: the one that was started, and its children."""
    assert server.process is not None
    first = Path(f"/proc/{server.process.pid}")
    children = (first / "task" / first.name / "children").read_text().split()
    return [first, *(Path(f"/proc/{child}") for child in children)]


def cpu_seconds(server: WebmonServer) -> float:
    ticks = [(one / "stat").read_text().rpartition(")")[2].split()[11:13] for one in processes(server)]
    return sum(int(tick) for pair in ticks for tick in pair) / os.sysconf("SC_CLK_TCK")


def memory_mb(server: WebmonServer) -> float:
    """The most that the processes have held at any time, together."""
    peaks = [re.findall(r"VmHWM:\s+(\d+)", (one / "status").read_text()) for one in processes(server)]
    return sum(int(peak[0]) for peak in peaks if peak) / 1024


def machine() -> str:
    cpu = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) / 1024**2
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cpu[0] if cpu else platform.machine()}, {cores} cores, {memory:.0f} GiB; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; {time.strftime('%Y-%m-%d')}"
    )


def report(runs: list[Run], bare: float, options: argparse.Namespace) -> int:
    def median(name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs)

    rate, memory = median("rate"), max(run.memory_mb for run in runs)
    rows = [
        ("acknowledged page views/s", f"{rate:,.0f}", f"at least {LEAST_RATE:,}"),
        ("  of the bare answer's rate", f"{rate / bare:.2f}", ""),
        ("median latency, ms", f"{median('p50'):.1f}", ""),
        ("99th percentile, ms", f"{median('p99'):.1f}", ""),
        ("refused or broken off", f"{sum(run.refused for run in runs)}", "0"),
        ("CPU seconds per 1,000 hits", f"{median('cpu_per_1000'):.3f}", ""),
        ("peak memory of all processes, MB", f"{memory:.0f}", f"under {MOST_MEMORY_MB}"),
    ]
    print(f"{options.runs} runs of {options.seconds} s, {options.connections} connections, generator beside it\n")
    for label, value, target in rows:
        print(f"{label:<34}{value:>10}   {target}".rstrip())
    good = rate >= LEAST_RATE and memory < MOST_MEMORY_MB and not sum(run.refused for run in runs)
    print("\nEvery acknowledged hit is in the event log." if good else "\nA target is missed.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""The load: wrk with `load/pageview.lua`, against a real server or the bare answer of the same one."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.machine import cpu_seconds, memory_mb
from tests.support.server import WebmonServer, free_port, request, wait_until

HERE = Path(__file__).resolve().parent
SETTLE_SECONDS = 180
METRICS_TOKEN = "bench"  # noqa: S105 - of a server that lives as long as the measurement
BODY = '{"name":"pageview","domain":"{host}","url":"https://{host}{path}","referrer":"{ref}"}'


@dataclass(frozen=True)
class Run:
    """One run of the load: rates per second, latencies in milliseconds, memory in MB, CPU in seconds."""

    rate: float
    p50: float
    p99: float
    refused: int
    cpu_per_1000: float
    memory_mb: float


def wrk(
    url: str, seconds: int, connections: int, seed: int, path: str = "/api/event", body: str = BODY
) -> dict[str, float]:
    env = os.environ | {
        "UAS": str(HERE / "load" / "uas.txt"),
        "SITEHOST": "example.org",
        "REQPATH": path,
        "CTYPE": "text/plain",
        "BODY": body,
        "SEED": str(seed),
    }
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", "pageview.lua", url]
    done = subprocess.run(command, env=env, cwd=HERE / "load", capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(re.findall(r"RESULT (\{.*\})", done.stdout)[0])
    return found


@contextlib.contextmanager
def bare_server() -> Iterator[str]:
    port = free_port()
    granian = Path(sys.executable).with_name("granian")
    options = ["--interface", "asginl", "--loop", "uvloop", "--workers", "1", "--no-ws", "--log-level", "error"]
    process = subprocess.Popen([granian, *options, "--port", str(port), "bench.bare:app"], cwd=HERE.parent)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url), 30, "the bare server answers")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return request("POST", url, b"{}").status == 202
    except OSError:
        return False


def make_folder(folder: Path) -> WebmonServer:
    """Make a data folder in which `example.org` is measured without identifiers, where there is none yet."""
    settings = {"WEBMON_TRUSTED_PROXIES": "127.0.0.1/32", "WEBMON_METRICS_TOKEN": METRICS_TOKEN}
    server = WebmonServer(folder, **settings)
    if "example.org" not in server.run("site", "list").stdout:
        server.run("site", "add", "example.org", "--mode", "cookieless_always")
    return server


@contextlib.contextmanager
def webmon(folder: Path) -> Iterator[tuple[WebmonServer, str]]:
    """A server that measures `example.org` without identifiers, and a key to read its figures."""
    server = make_folder(folder)
    key = server.last_line("key", "add", "--site", "example.org", "--scope", "stats")
    server.start()
    try:
        yield server, key
    finally:
        server.stop()


def one_run(server: WebmonServer, key: str, seconds: int, connections: int, seed: int) -> Run:
    """Drive the server, and make sure that its event log then holds just what it acknowledged."""
    assert server.process is not None
    pid = server.process.pid
    before, cpu = stored(server, key), cpu_seconds(pid)
    with _peak(pid) as peak:
        found = wrk(server.url, seconds, connections, seed)
        acknowledged = found["requests"] - found["non2xx"]
        wait_until(lambda: waiting(server) == 0, SETTLE_SECONDS, "all that was acknowledged is in the event log")
    spent = cpu_seconds(pid) - cpu
    # wrk breaks off what is under way when its time is over: at most one more hit per connection may have arrived.
    surplus = stored(server, key) - before - acknowledged
    if not 0 <= surplus <= connections:
        raise SystemExit(f"{acknowledged} hits were acknowledged, but {surplus:+} more are in the event log")
    return Run(
        rate=acknowledged / found["seconds"],
        p50=found["p50_ms"],
        p99=found["p99_ms"],
        refused=int(found["non2xx"] + found["sock_err"] + found["timeouts"]),
        cpu_per_1000=1000 * spent / acknowledged,
        memory_mb=max(peak),
    )


@contextlib.contextmanager
def _peak(pid: int) -> Iterator[list[float]]:
    """Look at the memory twice a second."""
    seen, over = [memory_mb(pid)], threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            seen.append(memory_mb(pid))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def stored(server: WebmonServer, key: str) -> int:
    document = {"site_id": "example.org", "metrics": ["events"], "date_range": "all"}
    return int(server.query(key, **document)["results"][0]["metrics"][0])


def waiting(server: WebmonServer) -> int:
    """How many hits are still in the spool."""
    answer = request("GET", f"{server.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    return int(float(re.findall(r"^webmon_spool_waiting (\S+)", answer.body.decode(), re.MULTILINE)[0]))

"""A real webmon in a process of its own, on a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

WEBMON = str(Path(sys.executable).with_name("webmon"))
ROOT = Path(__file__).resolve().parent.parent.parent
# Of a machine that does much else; whoever waits goes on as soon as it is so.
READY_SECONDS = 180
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WebmonServer:
    """Starts, kills and restarts `webmon serve`; runs the other commands on the same folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WEBMON_")}
        self.env = clean | {"WEBMON_DATA_DIR": str(folder), "WEBMON_PUBLIC_URL": self.url} | settings
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.parent / f"{folder.name}.log"

    def run(self, *arguments: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [WEBMON, *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            check=check,
            timeout=seconds,
            cwd=ROOT,
        )

    def last_line(self, *arguments: str) -> str:
        return self.run(*arguments).stdout.strip().splitlines()[-1]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [WEBMON, "serve", "--port", str(self.port)],
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        wait_until(self._answers, READY_SECONDS, "the server answers", self.log.read_text)

    def kill(self) -> None:
        """As by a power cut: no warning, no clean-up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(120)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"webmon ended with {self.process.returncode}: {self.log.read_text()}")
        try:
            return request("GET", f"{self.url}/healthz").status == 200
        except OSError:
            return False

    def event(self, **fields: Any) -> Answer:
        return request("POST", f"{self.url}/api/event", fields, {"User-Agent": BROWSER})

    def query(self, key: str, **document: Any) -> Any:
        answer = request("POST", f"{self.url}/api/v2/query", document, {"Authorization": f"Bearer {key}"})
        assert answer.status == 200, answer.body
        return answer.json()


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """Ask, and return the answer whatever its status."""
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=raw, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def contents(*places: Path) -> dict[Path, bytes]:
    """What stands in these files, and in those under these folders, of a server that may run on.

    It may be done with a file between the listing and the reading: that holds nothing any more.
    """
    found: dict[Path, bytes] = {}
    for place in places:
        for path in place.rglob("*") if place.is_dir() else (place,):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[path] = path.read_bytes()
    return found


def wait_until(condition: Any, seconds: float, what: str, say: Any = lambda: "") -> Any:
    """Return the condition's first true value; fail where it does not come true in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}. {say()}")
        time.sleep(0.05)

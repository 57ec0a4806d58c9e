"""`make serve` in a process of its own, on a folder and ports of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.server import ROOT, WEBMON, free_port, wait_until

READY_SECONDS = 60


class Demo:
    """The demo website and its webmon, as a newcomer starts them."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "serve.log"
        self.port, self.demo_port = free_port(), free_port()
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("WEBMON_", "DEMO_"))}
        self.env = clean | {"WEBMON_DATA_DIR": str(self.data), "PYTHONUNBUFFERED": "1"}

    def launch(self) -> None:
        command = [sys.executable, str(ROOT / "demo" / "start.py")]
        ports = ["--port", str(self.port), "--demo-port", str(self.demo_port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *ports], env=self.env, stdout=log, stderr=log, cwd=ROOT)

    def start(self) -> None:
        self.launch()
        wait_until(lambda: "Sign in as" in self.said() or self.process.poll() is not None, READY_SECONDS, "it starts")
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text("utf-8") if self.log.exists() else ""

    def address(self, label: str) -> str:
        found = re.search(rf"{label} +(http\S+)", self.said())
        assert found, self.said()
        return found[1]

    def link(self) -> str:
        found = re.search(r"http\S+/staff/link/\S+", self.said())
        assert found, self.said()
        return found[0]

    def webmon(self, *arguments: str) -> str:
        done = subprocess.run(
            [WEBMON, *arguments], env=self.env, capture_output=True, text=True, check=True, cwd=ROOT
        )
        return done.stdout.strip().splitlines()[-1]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

"""A thread that does one thing when it is woken."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from webmon.errors import told

# Should a wake-up be missed, it is tried again after this; after a try that failed, sooner.
_AT_LEAST_EVERY_SECONDS = 30.0
_AFTER_FAILURE_SECONDS = 2.0

log = structlog.get_logger()


class Worker:
    def __init__(
        self, name: str, wake: threading.Event, work: Callable[[], object], pause_seconds: float = 0.0
    ) -> None:
        """`pause_seconds`: how long it rests after its work, so that what comes in meanwhile is done in one go."""
        self._name = name
        self._wake = wake
        self._work = work
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the work at hand; what is left is done at the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(_AT_LEAST_EVERY_SECONDS)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                self._work()
            except Exception as error:
                log.error("worker.failed", worker=self._name, error=told(error))
                self._wake.set()
                self._stop.wait(_AFTER_FAILURE_SECONDS)
            self._stop.wait(self._pause_seconds)

"""Counts that add up in memory and are written a few seconds later, many at once."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class AddingUp(ABC, Generic[K]):
    """`wake` is set as long as there is something to flush; `revision` is another number after each flush that wrote.

    A crash forgets what came since the last flush.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[K] = Counter()
        self.wake = threading.Event()
        self.revision = 0

    def flush(self) -> int:
        """Write what has added up, in one transaction, and return how much that was.

        Whatever keeps it from being written, nothing is lost: it waits again, and the error is the caller's.
        """
        with self._lock:
            taken, self._waiting = self._waiting, Counter()
        if not taken:
            return 0
        try:
            self._write(taken)
        except BaseException:  # an interrupt too: what was taken is nowhere else
            with self._lock:
                self._waiting.update(taken)
            raise
        self.revision += 1
        return taken.total()

    def _add(self, key: K) -> None:
        with self._lock:
            self._waiting[key] += 1
        if not self.wake.is_set():
            self.wake.set()

    @abstractmethod
    def _write(self, counted: Mapping[K, int]) -> None:
        """Add the counts to those that are stored: all of them, or none."""

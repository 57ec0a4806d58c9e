"""An event that is sent again is stored once: those with an id of their own are remembered for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

# At some thousand events a second, a sender has the better part of a minute to try again.
REMEMBERED = 200_000
_PATIENCE_SECONDS = 10.0

Key = tuple[int, str]


@dataclass(slots=True)
class _Storing:
    """An event on its way to the disk; whoever brings the same one waits for how it ends."""

    ended: threading.Event = field(default_factory=threading.Event)
    stored: bool = False


@dataclass(slots=True)
class Once:
    """Remembers the last events by site and id, in memory only: the id says nothing, and is never stored."""

    limit: int = REMEMBERED
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _events: OrderedDict[Key, _Storing] = field(default_factory=OrderedDict)

    def store(self, key: Key, write: Callable[[], None]) -> None:
        """Write the event unless it has been; return once it is durable, whoever wrote it.

        Where writing fails, the error is the writer's, and who waited for it writes the event in turn.
        """
        while True:
            with self._lock:
                known = self._events.get(key)
                if known is None:
                    mine = self._events[key] = _Storing()
                    if len(self._events) > self.limit:
                        self._events.popitem(last=False)
            if known is None:
                return self._write(key, mine, write)
            known.ended.wait(_PATIENCE_SECONDS)
            if known.stored:
                return None

    def _write(self, key: Key, mine: _Storing, write: Callable[[], None]) -> None:
        try:
            write()
            mine.stored = True
        finally:
            if not mine.stored:
                with self._lock:
                    self._events.pop(key, None)
            mine.ended.set()

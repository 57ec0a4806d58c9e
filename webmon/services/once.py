"""An event that is sent again is stored once: those with an id of their own are remembered for a while.

What is remembered is the row's id, a keyed hash of the event's own: so a process that starts takes up from the event
log what the one before it had stored, and an event whose answer was lost in a crash is still stored once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

# At some thousand events a second, a sender has the better part of a minute to try again.
REMEMBERED = 200_000
# Nobody tries again after a longer time: pages are left and programs give up.
REMEMBERED_FOR = timedelta(minutes=10)
_PATIENCE_SECONDS = 10.0

# Site and row.
Key = tuple[int, int]


class Claim(Enum):
    """What whoever brings an event learns: it is theirs to store, is being stored by somebody else, or is stored."""

    MINE = 1
    UNDER_WAY = 2
    STORED = 3


@dataclass(slots=True)
class Once:
    """Remembers the last events by site and row, in memory only."""

    limit: int = REMEMBERED
    _settled: threading.Condition = field(default_factory=threading.Condition)
    _stored: OrderedDict[Key, bool] = field(default_factory=OrderedDict)

    def remember(self, keys: Iterable[Key]) -> None:
        """Take up what an earlier process has stored."""
        with self._settled:
            self._stored.update((key, True) for key in keys)

    def claim(self, key: Key) -> Claim:
        """Say that the event is to be stored; whoever is told `MINE` must `settle` it."""
        with self._settled:
            stored = self._stored.get(key)
            if stored is not None:
                return Claim.STORED if stored else Claim.UNDER_WAY
            self._stored[key] = False
            if len(self._stored) > self.limit:
                self._stored.popitem(last=False)
        return Claim.MINE

    def settle(self, key: Key, *, stored: bool) -> None:
        """Say how storing ended: where it failed, the next who brings the event stores it."""
        with self._settled:
            if stored:
                self._stored[key] = True
            else:
                self._stored.pop(key, None)
            self._settled.notify_all()

    def wait(self, key: Key) -> None:
        """Wait until the event that is under way is settled."""
        with self._settled:
            self._settled.wait_for(lambda: self._stored.get(key) is not False, _PATIENCE_SECONDS)

    def store(self, key: Key, write: Callable[[], None]) -> None:
        """Write the event unless it has been; return once it is durable, whoever wrote it.

        Where writing fails, the error is the writer's, and who waited for it writes the event in turn.
        """
        while (claim := self.claim(key)) is Claim.UNDER_WAY:
            self.wait(key)
        if claim is Claim.STORED:
            return
        stored = False
        try:
            write()
            stored = True
        finally:
            self.settle(key, stored=stored)

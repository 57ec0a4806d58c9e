"""How much the guard has removed, by kind. The kinds are all that is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter

REMOVED = Counter("webmon_guard_removed", "What the guard removed before the first write, by kind", ["kind"])


@cache
def _of(kind: str) -> Counter:
    return REMOVED.labels(kind)


def count_removed(kinds: Iterable[str]) -> None:
    for kind in kinds:
        _of(kind).inc()

"""What services need of the stores, as protocols; `webmon.core` and `webmon.runtime` pick the adapters.

A service that writes is given a `Unit`: what opens one transaction and yields the repository for it. The service owns
the transaction; a repository never commits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Transaction = Callable[[], AbstractContextManager[T]]


class Unit(Protocol[T_co]):
    def __call__(self) -> AbstractContextManager[T_co]:
        """Open one transaction, committed at the end, rolled back by an exception; one that writes waits for it."""

    def reading(self) -> AbstractContextManager[T_co]:
        """Open one that only reads: it waits for nobody who writes, and nobody for it."""

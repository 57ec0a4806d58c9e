"""A new wrapping key: every key that is wrapped under the old one is wrapped anew; no row is touched.

Both keys are known meanwhile, so it may be interrupted anywhere, and a server goes on. Only when nothing is left
under the old key is that one forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webmon.errors import SettingsError
from webmon.stores.ports import Unit
from webmon.stores.ports.audit import Audited
from webmon.stores.ports.keys import WrappedStore

BATCH = 1000


class RotatingVault(Protocol):
    @property
    def mark(self) -> bytes: ...

    def rewrap(self, wrapped: bytes, context: str) -> bytes: ...

    def begin_rotation(self) -> None: ...

    def end_rotation(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """Goes on where an earlier one was interrupted."""

    vault: RotatingVault
    stores: Sequence[WrappedStore]
    unit: Unit[Audited]

    def begin(self) -> int:
        """Have a new wrapping key in use, and return how many keys are to be wrapped under it."""
        self.vault.begin_rotation()
        return sum(store.count_other(self.vault.mark) for store in self.stores)

    def run(self, advance: Callable[[int], object]) -> int:
        """Wrap all there is, batch by batch, each durable; return how many keys that were."""
        done = 0
        for store in self.stores:
            while count := store.rewrap(self.vault.mark, BATCH, self.vault.rewrap):
                done += count
                advance(count)
        return done

    def finish(self, count: int, now: datetime, *, actor: str) -> None:
        """Forget the old key, in every file.

        Raises `SettingsError`, and keeps it, where something is left under it because it is damaged.
        """
        left = sum(store.count_other(self.vault.mark) for store in self.stores)
        if left:
            raise SettingsError(
                f"{count} keys are wrapped under the new key, but {left} are damaged, so the old one is kept. Do "
                "what `webmon doctor` says of them, then run this once more"
            )
        for store in self.stores:
            store.wipe()
        self.vault.end_rotation()
        with self.unit() as repository:
            repository.audit.record(now, actor, "wrapping_key.rotate", detail={"keys": count})

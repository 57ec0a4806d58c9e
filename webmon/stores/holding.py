"""A file that says by its lock that somebody is at work: it is held as long as its process lives, and no longer."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold(path: Path) -> Iterator[bool]:
    """Hold the file, which is made where there is none; yields False where somebody else holds it.

    Whoever holds it may remove it.
    """
    descriptor = _lock(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_at(path: Path, file: os.stat_result) -> bool:
    """Whether the file of that status is the one that has this name."""
    try:
        return os.path.samestat(path.stat(), file)
    except FileNotFoundError:
        return False


def _lock(path: Path) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        if is_at(path, os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)  # who held it before has removed it: another file is the one to hold

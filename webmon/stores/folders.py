"""Folders whose entries the disk has: a file that is durable is lost all the same where its name is not."""

from __future__ import annotations

import os
from pathlib import Path


def make_durable(folder: Path) -> None:
    """Return once the disk has which files there are in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

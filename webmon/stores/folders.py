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


def make_folder(path: Path) -> None:
    """Make a folder, its owner's alone, and those above it; return once the disk has the names of what was made."""
    made = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in made:
        make_durable(folder.parent)

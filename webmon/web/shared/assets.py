"""Addresses of built front-end files, which carry a hash in their names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def load_manifest(static: Path) -> Mapping[str, str]:
    """Return name to address, as the build wrote it (``static/dist/manifest.json``)."""
    manifest: dict[str, str] = json.loads((static / "dist" / "manifest.json").read_text("utf-8"))
    return manifest

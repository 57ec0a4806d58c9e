"""Facts about how a tracker reads its input, observed at other trackers; each case says where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "vectors"


def cases(file: str, *sections: str) -> list[Any]:
    """Return the sections' cases as parameters, named by their id."""
    document = json.loads((FOLDER / file).read_text("utf-8"))
    found = [case for section in sections for case in document[section] if "id" in case]
    return [pytest.param(case, id=case["id"]) for case in found]

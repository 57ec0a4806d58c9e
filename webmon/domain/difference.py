"""What differs between two notices, part by part and word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

Body = Mapping[str, Any]
# A word, a sign, or the space between them; scripts without spaces by their characters.
_WORDS = re.compile(r"\s+|[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]|_+")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words, and whether the other notice lacks them."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A part that differs, by its place in the notice (``texts.title``); a side without it has no pieces."""

    where: str
    before: tuple[Piece, ...]
    after: tuple[Piece, ...]


def difference(before: Body, after: Body) -> tuple[Part, ...]:
    """Return the parts in which two notices differ, in the order in which they stand."""
    old, new = dict(_parts(before)), dict(_parts(after))
    changed = [where for where in {**old, **new} if old.get(where) != new.get(where)]
    return tuple(Part(where, *compare(old.get(where, ""), new.get(where, ""))) for where in changed)


def compare(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return two texts in pieces, those marked that the other lacks."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    left = [Piece("".join(old[start:end]), step != "equal") for step, start, end, _, _ in steps if end > start]
    right = [Piece("".join(new[start:end]), step != "equal") for step, _, _, start, end in steps if end > start]
    return tuple(left), tuple(right)


def _parts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a notice by its place. What has a key is found by it, so that the order of a list is its own."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _parts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        names = [str(one.get("key", one.get("name", ""))) for one in value]
        if names:
            yield f"{where} (order)", ", ".join(names)
        for name, one in zip(names, value, strict=True):
            yield from _parts(one, f"{where}.{name}")
    elif isinstance(value, list):
        yield where, ", ".join(map(str, value))
    elif isinstance(value, bool):
        yield where, "yes" if value else "no"
    else:
        yield where, str(value)

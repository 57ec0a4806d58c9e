"""Runs the labelled corpus through the functions of the collector, and says how much was found and how rightly."""

from __future__ import annotations

import html
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from webmon.domain.event import IncomingEvent
from webmon.domain.guard import guard_event
from webmon.domain.scrub import scrub_text, scrub_url

CORPUS = Path(__file__).with_name("corpus.json")
PAGE = "https://www.example.org/"


@dataclass(frozen=True, slots=True)
class Case:
    """`kinds`: any of these is the right name for what there is to find; none where all of it may stay."""

    where: str
    input: str
    kinds: tuple[str, ...]
    secrets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {self.input!r}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kept` is all that would be stored of the case, `removed` the kinds of what would not."""

    case: Case
    kept: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def is_found(self) -> bool:
        """Whether something was removed, and nothing of the secrets can be read in what is kept, however encoded."""
        readable = [form for text in self.kept for form in _readable(text)]
        leaks = any(form in text for secret in self.case.secrets for form in _readable(secret) for text in readable)
        return bool(self.removed) and not leaks

    @property
    def is_named(self) -> bool:
        return not set(self.case.kinds).isdisjoint(self.removed)


@dataclass(frozen=True, slots=True)
class Figures:
    """`recall`: of what there was to find, the share that went. `precision`: of what went, the share that had to."""

    case_count: int
    recall: float
    precision: float


def corpus() -> list[Case]:
    rows = json.loads(CORPUS.read_text("utf-8"))
    return [Case(row["where"], row["input"], tuple(row["kinds"]), tuple(row["secrets"])) for row in rows]


def outcome(case: Case) -> Outcome:
    kept, removed = STORED[case.where](case.input)
    return Outcome(case, tuple(kept), tuple(removed))


def overall(outcomes: Sequence[Outcome]) -> Figures:
    return _figures(
        [one.is_found for one in outcomes if one.case.kinds],
        [bool(one.case.kinds) for one in outcomes if one.removed],
    )


def by_kind(outcomes: Sequence[Outcome]) -> dict[str, Figures]:
    """A kind is found where its secret is gone, under whatever name; it is right where that name was expected."""
    kinds = Counter(one.case.kinds[0] for one in outcomes if one.case.kinds)
    return {
        kind: _figures(
            [one.is_found for one in outcomes if one.case.kinds[:1] == (kind,)],
            [kind in one.case.kinds for one in outcomes if kind in one.removed],
        )
        for kind in sorted(kinds)
    }


def named(outcomes: Sequence[Outcome]) -> float:
    """Of what was found, the share that was given a right name."""
    return _share([one.is_named for one in outcomes if one.case.kinds and one.is_found])


def table(outcomes: Sequence[Outcome]) -> str:
    """The figures as they stand in docs/guard.md."""
    rows = {"all": overall(outcomes)} | by_kind(outcomes)
    lines = [f"| {kind} | {row.case_count} | {row.recall:.3f} | {row.precision:.3f} |" for kind, row in rows.items()]
    return "\n".join(["| what | cases | recall | precision |", "|---|---|---|---|", *lines])


def _figures(found: Sequence[bool], right: Sequence[bool]) -> Figures:
    return Figures(len(found), _share(found), _share(right))


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 1.0


def _readable(text: str) -> set[str]:
    """The text as it stands, and as somebody could read it: decoded here by other means than the guard's own."""
    read = text
    for _ in range(8):
        read = html.unescape(unquote(read, errors="replace"))
    read = "".join(char for char in unicodedata.normalize("NFKC", read) if unicodedata.category(char) != "Cf")
    return {text.casefold(), read.casefold()}


# What would be stored, and the kinds of what would not, of a case in each place.

Kept = tuple[Sequence[str], Sequence[str]]


def _url(url: str) -> Kept:
    found = scrub_url(url)
    return [found.hostname, found.pathname, *found.query.values()], found.removed


def _event(name: str = "pageview", referrer: str = "", props: dict[str, str] | None = None) -> Kept:
    found = guard_event(IncomingEvent(name, PAGE, "example.org", referrer, props or {}))
    return [
        found.name,
        found.source,
        found.medium,
        found.referrer,
        *found.props,
        *found.props.values(),
    ], found.removed


def _title(title: str) -> Kept:
    found = scrub_text(title)
    return [found.value], found.removed


STORED: dict[str, Callable[[str], Kept]] = {
    "path": lambda text: _url("https://www.example.org" + text),
    "query": lambda text: _url(PAGE + "?" + text),
    "fragment": lambda text: _url(PAGE + "#" + text),
    "referrer": lambda text: _event(referrer=text),
    "title": _title,
    "prop_key": lambda text: _event(props={text: "x"}),
    "prop_value": lambda text: _event(props={"note": text}),
    "event_name": lambda text: _event(name=text),
}

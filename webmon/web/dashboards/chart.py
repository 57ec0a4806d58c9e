"""The time series as a drawing: pure geometry, in percent of the plot, for an SVG that the server writes.

Drawn on the server so that the chart is there without JavaScript, in print, and in the colours of the page; the
browser code only adds a pointer to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise

# Of the drawing's own coordinate system; it is stretched to the plot's size.
SIDE = 1000
_MOST_LABELS = 8
_STEPS = (1, 2, 2.5, 5, 10)
# Minutes and hours are read in sixties.
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One hour, day, week or month: when it begins (ISO 8601), and its figure (None: nothing to average)."""

    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """`x` and `y` in percent of the plot from its upper left; `left` and `width` of the strip that answers to it."""

    label: str
    value: float | None
    x: float
    y: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Tick:
    position: float
    label: str
    minor: bool = False
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """`line`, `area` and `running` (the part that is not over yet) are SVG paths; empty where there is none.

    `dots` are the points without a neighbour, which no line can show.
    """

    points: Sequence[Point]
    line: str
    area: str
    running: str
    dots: Sequence[Point]
    rows: Sequence[float]
    scale: Sequence[tuple[float, float]]
    columns: Sequence[Tick]


def draw(buckets: Sequence[Bucket], unit: str, *, shown: int, unfinished: bool, seconds: bool = False) -> Chart:
    """Return the drawing of a series of at least one bucket; `unit` is hour, day, week or month.

    The first `shown` buckets have come to pass; of these the last is `unfinished` where it goes on. With `seconds`,
    the scale is in steps of time.
    """
    top = _top(max((bucket.value or 0 for bucket in buckets[:shown]), default=0), seconds=seconds)
    points = _points(buckets, unit, shown, top)
    split = len(points) - 1 if unfinished and len(points) > 1 else len(points)
    scale = [(100 - share * 100, top * share) for share in (0.25, 0.5, 0.75, 1)]
    return Chart(
        points=points,
        line=_line(points[:split]),
        area="".join(_area(piece) for piece in _pieces(points) if len(piece) > 1),
        running=_line(points[split - 1 :]) if split < len(points) else "",
        dots=[piece[0] for piece in _pieces(points) if len(piece) == 1],
        rows=[position for position, _ in scale],
        scale=scale,
        columns=_columns(buckets, unit),
    )


def _points(buckets: Sequence[Bucket], unit: str, shown: int, top: float) -> list[Point]:
    xs = [_x(index, len(buckets)) for index in range(len(buckets))]
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(xs)), 100.0]
    return [
        Point(
            label=long_label(bucket.label, unit),
            value=bucket.value,
            x=round(xs[index], 3),
            y=round(100 - (bucket.value or 0) / top * 100, 3),
            left=round(edges[index], 3),
            width=round(edges[index + 1] - edges[index], 3),
        )
        for index, bucket in enumerate(buckets[:shown])
    ]


def _x(index: int, count: int) -> float:
    return 50.0 if count == 1 else index / (count - 1) * 100


def _pieces(points: Sequence[Point]) -> list[list[Point]]:
    """Cut the series where a figure is missing: it is not zero, so no line leads through it."""
    groups = groupby(points, key=lambda point: point.value is None)
    return [list(piece) for missing, piece in groups if not missing]


def _line(points: Sequence[Point]) -> str:
    return "".join(_path(piece) for piece in _pieces(points) if len(piece) > 1)


def _path(points: Sequence[Point]) -> str:
    return "M" + " L".join(f"{_n(point.x * SIDE / 100)} {_n(point.y * SIDE / 100)}" for point in points)


def _area(points: Sequence[Point]) -> str:
    first, last = (_n(point.x * SIDE / 100) for point in (points[0], points[-1]))
    return f"{_path(points)} L{last} {SIDE} L{first} {SIDE} Z"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _top(highest: float, *, seconds: bool) -> float:
    """The round figure at the top of the scale: four steps, each a whole number where figures are counts."""
    if highest <= 0:
        return 4
    if seconds:
        return 4 * next((step for step in _TIME_STEPS if step * 4 >= highest), math.ceil(highest / 4))
    power = 10 ** math.floor(math.log10(highest / 4)) if highest > 4 else 1
    wanted = next(step * power for step in _STEPS if step * power * 4 >= highest)
    return 4 * (math.ceil(wanted) if highest > 4 else wanted)


def _columns(buckets: Sequence[Bucket], unit: str) -> list[Tick]:
    count = len(buckets)
    with_year = buckets[0].label[:4] != buckets[-1].label[:4]
    every = max(1, math.ceil(count / _MOST_LABELS))
    ticks = []
    for number, index in enumerate(range(0, count, every)):
        x = _x(index, count)
        anchor = "end" if x > 98 else "middle"
        ticks.append(
            Tick(round(x, 3), short_label(buckets[index].label, unit, with_year=with_year), number % 2 == 1, anchor)
        )
    return ticks


def short_label(label: str, unit: str, *, with_year: bool = False) -> str:
    """What stands below the chart; `with_year` where it spans more than one."""
    moment = datetime.fromisoformat(label)
    if unit == "hour":
        return f"{moment:%H:%M}"
    text = f"{moment:%b}" if unit == "month" else f"{moment.day} {moment:%b}"
    return f"{text} {moment.year}" if with_year else text


def long_label(label: str, unit: str) -> str:
    moment = datetime.fromisoformat(label)
    day = f"{moment:%a} {moment.day} {moment:%b}"
    if unit == "hour":
        return f"{day}, {moment:%H:%M}"
    if unit == "month":
        return f"{moment:%B %Y}"
    return f"Week of {day} {moment.year}" if unit == "week" else f"{day} {moment.year}"

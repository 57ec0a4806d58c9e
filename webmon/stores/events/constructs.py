"""Where the engines' dialects differ: one construct each, compiled per dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, DateTime, Float, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class count_distinct(FunctionElement[int]):
    """How many different values: exact."""

    type = BigInteger()
    inherit_cache = True


class first_by(FunctionElement[str]):
    """The value of the row that comes first by (time, number)."""

    type = String()
    inherit_cache = True


class last_by(FunctionElement[str]):
    """The value of the row that comes last by (time, number)."""

    type = String()
    inherit_cache = True


class seconds_between(FunctionElement[int]):
    """Whole seconds from the first to the second time."""

    type = BigInteger()
    inherit_cache = True


class add_seconds(FunctionElement[Any]):
    type = DateTime()
    inherit_cache = True


class truncate(FunctionElement[Any]):
    """The beginning of the hour, day, week or month (the second argument) of a time."""

    type = DateTime()
    inherit_cache = True


class average(FunctionElement[float]):
    type = Float()
    inherit_cache = True


class text_in_json(FunctionElement[str]):
    """The text under a key of a JSON object; null where the object is empty or has no such key."""

    type = String()
    inherit_cache = True


def _arguments(element: FunctionElement[Any], compiler: Any, **kw: Any) -> list[str]:
    return [compiler.process(clause, **kw) for clause in element.clauses]


@compiles(count_distinct, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"count(distinct {_arguments(element, compiler, **kw)[0]})"


@compiles(first_by, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    value, moment, number = _arguments(element, compiler, **kw)
    return f"arg_min({value}, ({moment}, {number}))"


@compiles(last_by, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    value, moment, number = _arguments(element, compiler, **kw)
    return f"arg_max({value}, ({moment}, {number}))"


@compiles(seconds_between, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    start, end = _arguments(element, compiler, **kw)
    return f"date_diff('second', {start}, {end})"


@compiles(add_seconds, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    moment, seconds = _arguments(element, compiler, **kw)
    return f"({moment} + to_seconds({seconds}))"


@compiles(truncate, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    moment, unit = _arguments(element, compiler, **kw)
    return f"cast(date_trunc({unit}, {moment}) as timestamp)"


@compiles(text_in_json, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    document, key = _arguments(element, compiler, **kw)
    # As a JSON pointer (RFC 6901), in which any key can be written.
    pointer = f"concat('/', replace(replace({key}, '~', '~0'), '/', '~1'))"
    return f"json_extract_string(nullif({document}, ''), {pointer})"


@compiles(average, "duckdb")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"avg({_arguments(element, compiler, **kw)[0]})"

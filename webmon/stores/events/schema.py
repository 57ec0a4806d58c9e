"""The event log's columns, once, for every engine."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, String, Table

from webmon.domain.hit import Hit

_TYPES = {"int": BigInteger, "str": String, "bool": Boolean, "datetime": DateTime}
_NARROW = {"site_id": Integer, "engagement_ms": Integer, "scroll_pct": Integer}

metadata = MetaData()
event = Table(
    "event",
    metadata,
    *(Column(name, _NARROW.get(name, _TYPES[str(kind)])) for name, kind in Hit.__annotations__.items()),
)

DUCKDB_TYPES = {
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "varchar": "VARCHAR",
    "boolean": "BOOLEAN",
    "datetime": "TIMESTAMP",
}


# What a column holds where a row's JSON does not name it, as SQL.
DEFAULTS = {
    field.name: f"'{field.default}'" if isinstance(field.default, str) else str(field.default).lower()
    for field in msgspec.structs.fields(Hit)
    if field.default is not msgspec.NODEFAULT
}


def duckdb_columns() -> dict[str, str]:
    """Return column name to DuckDB type, in order."""
    return {column.name: DUCKDB_TYPES[str(column.type).lower()] for column in event.columns}

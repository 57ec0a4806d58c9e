"""How Alembic reaches the database: always through the connection it is given."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from webmon.stores.control.models import Base, UtcDateTime


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    # A migration must not change its meaning when our types do.
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, render_item=_render)
context.run_migrations()

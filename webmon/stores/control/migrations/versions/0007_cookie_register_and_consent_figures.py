"""The register of a site's services, and answers counted by country and device too"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ADDED = ("country", "device")


def upgrade() -> None:
    op.create_table(
        "service",
        sa.Column("id", _IDENTITY, nullable=False),
        sa.Column("site_id", _IDENTITY, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_service_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
        sa.UniqueConstraint("site_id", "key", name=op.f("uq_service_site_id_key")),
    )
    # A primary key cannot be changed everywhere, so the table is made anew. It is small: numbers by day.
    counts = op.get_bind().execute(sa.text("select * from consent_count")).mappings().all()
    op.drop_table("consent_count")
    table = _counts(*_ADDED)
    _fill(table, [dict.fromkeys(_ADDED, "") | dict(row) for row in counts])


def downgrade() -> None:
    whole = "select site_id, counted_on, notice_hash, action, sum(answer_count) as answer_count from consent_count"
    # Displays were not counted before.
    kept = f"{whole} where action <> 'shown' group by site_id, counted_on, notice_hash, action"  # noqa: S608
    counts = op.get_bind().execute(sa.text(kept)).mappings().all()
    op.drop_table("consent_count")
    _fill(_counts(), [dict(row) for row in counts])
    op.drop_table("service")


def _counts(*added: str) -> sa.Table:
    key = ("site_id", "counted_on", "notice_hash", *added, "action")
    return op.create_table(
        "consent_count",
        sa.Column("site_id", _IDENTITY, nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("notice_hash", sa.String(length=71), nullable=False),
        *(sa.Column(name, sa.String(length=16), nullable=False) for name in added),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("answer_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_consent_count_site_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_consent_count")),
    )


def _fill(table: sa.Table, rows: list[dict[str, object]]) -> None:
    if rows:
        # Without their types: days come as the text that they are stored as, and go back as it.
        columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in table.columns.keys()]  # noqa: SIM118
        op.get_bind().execute(sa.table("consent_count", *columns).insert(), rows)

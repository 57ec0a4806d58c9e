"""Hits that were not counted, by day and reason"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drop_count",
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("hit_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_drop_count_site_id")),
        sa.PrimaryKeyConstraint("site_id", "counted_on", "reason", name=op.f("pk_drop_count")),
    )


def downgrade() -> None:
    op.drop_table("drop_count")

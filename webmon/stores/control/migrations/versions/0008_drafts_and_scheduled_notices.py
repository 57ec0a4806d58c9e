"""Drafts of notices, and publications that come into force at a time of their own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_draft",
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(), nullable=False),
        sa.Column("saved_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_notice_draft_site_id")),
        sa.PrimaryKeyConstraint("site_id", "language", name=op.f("pk_notice_draft")),
    )
    op.add_column("publication", sa.Column("effective_at", sa.DateTime(), nullable=True))
    op.add_column("publication", sa.Column("cancelled_at", sa.DateTime(), nullable=True))
    # Until now, what was published was in force at once.
    op.execute("update publication set effective_at = published_at")
    with op.batch_alter_table("publication") as batch_op:
        batch_op.alter_column("effective_at", existing_type=sa.DateTime(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("publication") as batch_op:
        batch_op.drop_column("cancelled_at")
        batch_op.drop_column("effective_at")
    op.drop_table("notice_draft")

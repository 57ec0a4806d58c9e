"""Pseudonyms that visitors go by no more, once a signed-in visit under them is over"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "left_pseudonym",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_left_pseudonym_site_id")),
        sa.PrimaryKeyConstraint("site_id", "epoch", "mark", name=op.f("pk_left_pseudonym")),
    )


def downgrade() -> None:
    op.drop_table("left_pseudonym")

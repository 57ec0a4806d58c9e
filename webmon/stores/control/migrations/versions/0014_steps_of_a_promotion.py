"""Steps of a promotion, whose visit it is of sealed; how far back rows go to the account log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("site", sa.Column("promote_days", sa.Integer(), server_default="0", nullable=False))
    op.add_column("promotion", sa.Column("link", sa.LargeBinary(), nullable=True))
    op.add_column("promotion", sa.Column("claimed_by", sa.String(length=32), nullable=True))
    op.create_index(op.f("ix_promotion_claimed_by"), "promotion", ["claimed_by"])


def downgrade() -> None:
    op.drop_index(op.f("ix_promotion_claimed_by"), table_name="promotion")
    op.drop_column("promotion", "claimed_by")
    op.drop_column("promotion", "link")
    op.drop_column("site", "promote_days")

"""A site says how it chooses the policy of a visitor"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("jurisdiction", sa.String(length=32), server_default="everywhere_opt_in", nullable=False)
    op.add_column("site", column)


def downgrade() -> None:
    # Not as a batch, which would make the table anew under those that refer to it.
    op.drop_column("site", "jurisdiction")

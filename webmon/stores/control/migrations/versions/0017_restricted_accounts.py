"""Since when the processing of an account's rows is restricted"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("restricted_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("account", "restricted_at")

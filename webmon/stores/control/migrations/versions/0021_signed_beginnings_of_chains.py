"""The signature of where a chain begins after retention"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Those that are there are signed in the same transaction by who has the key (`webmon.core`).
    signature = sa.Column("signature", sa.String(length=128), server_default="", nullable=False)
    op.add_column("chain_anchor", signature)


def downgrade() -> None:
    op.drop_column("chain_anchor", "signature")

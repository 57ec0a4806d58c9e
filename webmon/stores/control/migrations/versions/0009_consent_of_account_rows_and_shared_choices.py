"""Under which consent rows of the account log were collected, and one choice for all subdomains"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("promotion", sa.Column("consent", sa.String(length=64), nullable=True))
    op.add_column("erasure", sa.Column("account_id", sa.BigInteger(), nullable=True))
    op.add_column("erasure", sa.Column("receipt_id", sa.String(length=36), server_default="", nullable=False))
    op.add_column("site", sa.Column("share_subdomains", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("site", "share_subdomains")
    op.drop_column("erasure", "receipt_id")
    op.drop_column("erasure", "account_id")
    op.drop_column("promotion", "consent")

"""What each site's ledger ends with, noted beside it with every record"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# What the ledgers end with now; one that has lost all its records to retention ends with its anchor.
_LAST = (
    "insert into consent_head (site_id, seq, chain_hash) select site_id, seq, chain_hash from consent"
    " where seq = (select max(seq) from consent as last where last.site_id = consent.site_id)"
    " and exists (select 1 from site where site.id = consent.site_id)"
)
_ANCHORS = (
    "insert into consent_head (site_id, seq, chain_hash)"
    " select site.id, chain_anchor.seq, chain_anchor.chain_hash from chain_anchor"
    " join site on chain_anchor.chain = 'consent:' || site.id"
    " where not exists (select 1 from consent where consent.site_id = site.id)"
)


def upgrade() -> None:
    op.create_table(
        "consent_head",
        sa.Column("site_id", _ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("chain_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_consent_head_site_id")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_consent_head")),
    )
    op.execute(_LAST)
    op.execute(_ANCHORS)


def downgrade() -> None:
    op.drop_table("consent_head")

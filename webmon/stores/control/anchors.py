"""Where chains begin after retention took their oldest entries."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, cast, select, update
from sqlalchemy.orm import Session

from webmon.domain.chain import Anchor
from webmon.stores.control.models import ChainAnchorRow
from webmon.stores.control.raw import raw, text


def read_anchor(session: Session, chain: str) -> Anchor:
    row = session.execute(
        select(
            cast(ChainAnchorRow.seq, BigInteger).label("seq"),
            raw(session, ChainAnchorRow.chain_hash, "chain_hash"),
            raw(session, ChainAnchorRow.signature, "signature"),
        ).where(ChainAnchorRow.chain == chain)
    ).first()
    return Anchor(row.seq, text(row.chain_hash), text(row.signature)) if row else Anchor()


def write_anchor(session: Session, chain: str, anchor: Anchor, gone_count: int, now: datetime) -> None:
    """Note where a chain begins from now on, after `gone_count` more of its entries were taken."""
    session.flush()
    where = {"seq": anchor.seq, "chain_hash": anchor.chain_hash, "signature": anchor.signature, "removed_at": now}
    more = {"removed_count": ChainAnchorRow.removed_count + gone_count}
    moved = session.execute(update(ChainAnchorRow).where(ChainAnchorRow.chain == chain).values(where | more))
    if getattr(moved, "rowcount", 0) == 0:
        session.add(ChainAnchorRow(chain=chain, removed_count=gone_count, **where))
        session.flush()


def note_signature(session: Session, chain: str, signature: str) -> None:
    session.execute(update(ChainAnchorRow).where(ChainAnchorRow.chain == chain).values(signature=signature))

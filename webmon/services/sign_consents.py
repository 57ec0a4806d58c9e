"""The key that signs receipts and checkpoints, and the checkpoints of each site's ledger."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.checkpoint import CONSENT_ANCHOR, Checkpoint, make_checkpoint, sign_anchor
from webmon.domain.signing import SigningKey, read_public_key, sign_document
from webmon.domain.site import Site
from webmon.services.manage_sites import KeyWrapper
from webmon.services.verify_ledger import walk_ledger
from webmon.stores.ports import Unit
from webmon.stores.ports.consent import ConsentRepository

_SEED_BYTES = 32
_CONTEXT = "consent-signing"


@dataclass(slots=True)
class Signer:
    """The installation's Ed25519 key: made when it is first needed, wrapped like every other key."""

    unit: Unit[ConsentRepository]
    vault: KeyWrapper
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _key: SigningKey | None = None

    def key(self) -> SigningKey:
        """Return the key. Not to be called within a transaction: it may need one of its own."""
        with self._lock:
            if self._key is None:
                self._key = SigningKey(self._seed())
            return self._key

    def public(self) -> Mapping[str, str]:
        """Return the published key, as a JWK."""
        return self.key().jwk

    def public_key(self) -> Ed25519PublicKey:
        return read_public_key(self.public())

    def sign(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return sign_document(self.key(), document)

    def checkpoint(self, site: Site, now: datetime) -> Checkpoint | None:
        """Sign what the site's ledger ends with; where that was done already, return it. None for an empty one."""
        key = self.key()
        with self.unit() as consents:
            tip = consents.tip(site.id)
            if tip.seq == 0:
                return None
            own = [one for one in consents.checkpoints(site.id) if one.site == site.domain]
            known = next((one for one in own if one.seq == tip.seq), None)
            made = known or make_checkpoint(key, site.domain, tip.seq, tip.chain_hash, now)
            if known is None:
                consents.put_checkpoint(site.id, made)
        return made

    def checkpoint_all(self, sites: Sequence[Site], now: datetime) -> int:
        """Sign what each site's ledger ends with, and return how many have any entry."""
        return sum(self.checkpoint(site, now) is not None for site in sites)

    def sign_anchor(self, site: Site) -> None:
        """Sign where a ledger begins that was shortened before there were signatures, if it holds from there on."""
        key = self.key()
        with self.unit() as consents:
            anchor = consents.anchor(site.id)
            if not anchor.lost_none and walk_ledger(consents, site, key.public).holds:
                signed = sign_anchor(key, anchor, CONSENT_ANCHOR, site.domain)
                consents.put_anchor_signature(site.id, signed.signature)

    def _seed(self) -> bytes:
        with self.unit() as consents:
            wrapped = consents.signing_key()
            if wrapped is None:
                wrapped = self.vault.wrap(secrets.token_bytes(_SEED_BYTES), _CONTEXT)
                consents.put_signing_key(wrapped)
        return self.vault.unwrap(wrapped, _CONTEXT)

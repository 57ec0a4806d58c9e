"""The tables of the control database.

Times are UTC and timezone-aware in Python (`UtcDateTime`). 63-bit pseudonyms are plain big integers.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite makes only an INTEGER primary key count by itself.
Identity = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """Stores UTC without offset, gives it back timezone-aware; refuses a time without a zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored")
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, date: Date, bytes: LargeBinary}  # noqa: RUF012


def _id() -> Mapped[int]:
    return mapped_column(Identity, primary_key=True)


def _site() -> Mapped[int]:
    return mapped_column(ForeignKey("site.id"), index=True)


class SiteRow(Base):
    __tablename__ = "site"

    id: Mapped[int] = _id()
    domain: Mapped[str] = mapped_column(String(260), unique=True)
    timezone: Mapped[str] = mapped_column(String(64))
    mode: Mapped[str] = mapped_column(String(32))
    minimum_group_count: Mapped[int]
    honour_dnt: Mapped[bool] = mapped_column(server_default=false())
    jurisdiction: Mapped[str] = mapped_column(
        String(32), default="everywhere_opt_in", server_default="everywhere_opt_in"
    )
    choice_days: Mapped[int] = mapped_column(server_default="182")
    share_subdomains: Mapped[bool] = mapped_column(default=False, server_default=false())
    promote_days: Mapped[int] = mapped_column(server_default="0")
    # Domains of the other sites of its family, one a line.
    family: Mapped[str] = mapped_column(Text, default="", server_default="")
    created_at: Mapped[datetime]
    # The guard's rules, one a line.
    allowed_parameters: Mapped[str] = mapped_column(Text, default="", server_default="")
    path_templates: Mapped[str] = mapped_column(Text, default="", server_default="")
    property_keys: Mapped[str] = mapped_column(Text, default="", server_default="")


class EpochKeyRow(Base):
    """A site's key for visitor and visit pseudonyms, wrapped; one per epoch."""

    __tablename__ = "epoch_key"
    __table_args__ = (UniqueConstraint("site_id", "epoch"),)

    id: Mapped[int] = _id()
    site_id: Mapped[int] = _site()
    epoch: Mapped[int]
    wrapped_key: Mapped[bytes]
    created_at: Mapped[datetime]


class LeftPseudonymRow(Base):
    """That a visitor's pseudonym was left behind at the end of a signed-in visit, under the key of an epoch.

    `mark`: `PseudonymKey.mark`; neither when it was nor whose account it was.
    """

    __tablename__ = "left_pseudonym"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class LoginKeyRow(Base):
    """A key that a site's login tokens are checked with, wrapped; from `ends_at` on, where it is set, no more."""

    __tablename__ = "login_key"

    id: Mapped[int] = _id()
    site_id: Mapped[int] = _site()
    wrapped_key: Mapped[bytes]
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]


class ApiKeyRow(Base):
    """An API key: only its digest is kept, also once it has ended, so that a number always is of the same key."""

    __tablename__ = "api_key"

    id: Mapped[int] = _id()
    site_id: Mapped[int] = _site()
    scope: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class StaffRow(Base):
    __tablename__ = "staff"

    id: Mapped[int] = _id()
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    failed_count: Mapped[int] = mapped_column(default=0)
    locked_until_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    # The secret of the authenticator app, wrapped: one that counts, and one that no code was entered of yet.
    totp_wrapped: Mapped[bytes | None]
    totp_pending: Mapped[bytes | None]
    # The half minute whose code was used last: neither it nor an older one is taken again.
    totp_step: Mapped[int | None] = mapped_column(BigInteger)


class StaffRecoveryCodeRow(Base):
    """A recovery code that was not used yet: only its digest is kept."""

    __tablename__ = "staff_recovery_code"
    __table_args__ = (UniqueConstraint("staff_id", "digest"),)

    id: Mapped[int] = _id()
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    digest: Mapped[str] = mapped_column(String(64))


class StaffRoleRow(Base):
    """A role on one site, or on all where `site_id` is null."""

    __tablename__ = "staff_role"
    __table_args__ = (UniqueConstraint("staff_id", "site_id"),)

    id: Mapped[int] = _id()
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))


class StaffLinkRow(Base):
    """A one-time link that sets a password: only its digest is kept."""

    __tablename__ = "staff_link"

    id: Mapped[int] = _id()
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class StaffSessionRow(Base):
    """A signed-in browser of a staff member: only the digest of its token is kept."""

    __tablename__ = "staff_session"

    id: Mapped[int] = _id()
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    # The password was right, the code is still to come: opens nothing yet.
    awaits_code: Mapped[bool] = mapped_column(server_default=false())
    browser: Mapped[str] = mapped_column(String(64), server_default="")


class NoticeRow(Base):
    """A notice, named by the hash of its canonical JSON; never changed, never deleted while a record names it."""

    __tablename__ = "notice"

    hash: Mapped[str] = mapped_column(String(71), primary_key=True)
    site_id: Mapped[int] = _site()
    language: Mapped[str] = mapped_column(String(16))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class PublicationRow(Base):
    """That a notice becomes the one in force for its site and language, from `effective_at` on unless cancelled."""

    __tablename__ = "publication"
    __table_args__ = (Index("ix_publication_current", "site_id", "language", "id"),)

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    language: Mapped[str] = mapped_column(String(16))
    notice_hash: Mapped[str] = mapped_column(ForeignKey("notice.hash"))
    published_at: Mapped[datetime]
    published_by: Mapped[str] = mapped_column(String(254))
    effective_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]


class NoticeDraftRow(Base):
    """A notice that is being worked on: one per site and language. Each saving gives it another `revision`."""

    __tablename__ = "notice_draft"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    language: Mapped[str] = mapped_column(String(16), primary_key=True)
    revision: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime]
    saved_by: Mapped[str] = mapped_column(String(254))


class ConsentRow(Base):
    """One entry of a site's consent ledger. `body` is what the chain covers; the columns repeat it for look-ups."""

    __tablename__ = "consent"
    __table_args__ = (UniqueConstraint("site_id", "seq"),)

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    seq: Mapped[int] = mapped_column(BigInteger)
    receipt_id: Mapped[str] = mapped_column(String(36), unique=True)
    previous_id: Mapped[str | None] = mapped_column(String(36), index=True)
    notice_hash: Mapped[str] = mapped_column(ForeignKey("notice.hash"), index=True)
    recorded_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    body: Mapped[str] = mapped_column(Text)
    chain_hash: Mapped[str] = mapped_column(String(64))


class ConsentDecisionRow(Base):
    """One decision of a consent: a purpose, granted or not."""

    __tablename__ = "consent_decision"

    consent_id: Mapped[int] = mapped_column(ForeignKey("consent.id", ondelete="CASCADE"), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(64), primary_key=True)
    granted: Mapped[bool]


class ServiceRow(Base):
    """A service in a site's cookie register, with its cookies and its texts in each language, as JSON."""

    __tablename__ = "service"
    __table_args__ = (UniqueConstraint("site_id", "key"),)

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    key: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(254))


class SigningKeyRow(Base):
    """The installation's key that signs receipts and checkpoints, wrapped: there is one."""

    __tablename__ = "signing_key"

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    wrapped_key: Mapped[bytes]


class ConsentHeadRow(Base):
    """What a site's ledger ends with: written with each record, so that a last one that was taken out is missed."""

    __tablename__ = "consent_head"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    chain_hash: Mapped[str] = mapped_column(String(64))


class CheckpointRow(Base):
    """What a site's ledger ended with at a moment, signed. `made_at` is the text that was signed."""

    __tablename__ = "consent_checkpoint"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    chain_hash: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[str] = mapped_column(String(40))
    signature: Mapped[str] = mapped_column(String(128))


class ErasureRow(Base):
    """Rows that are to be erased after a withdrawal: it is here until they are in no file any more, and then gone.

    `pseudonyms`: a JSON list of the visitor's. Where they are signed in, `account_id` is their account, of which the
    rows go that were collected under the consent with this receipt.
    """

    __tablename__ = "erasure"

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    pseudonyms: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int | None] = mapped_column(BigInteger)
    receipt_id: Mapped[str] = mapped_column(String(36), default="", server_default="")
    requested_at: Mapped[datetime]


class ConsentCountRow(Base):
    """How often a notice was shown and answered: refusals are counted here and recorded against nobody.

    Country and device are empty where they are not known.
    """

    __tablename__ = "consent_count"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    counted_on: Mapped[date] = mapped_column(primary_key=True)
    notice_hash: Mapped[str] = mapped_column(String(71), primary_key=True)
    country: Mapped[str] = mapped_column(String(16), primary_key=True)
    device: Mapped[str] = mapped_column(String(16), primary_key=True)
    action: Mapped[str] = mapped_column(String(16), primary_key=True)
    answer_count: Mapped[int] = mapped_column(BigInteger)


class DropCountRow(Base):
    """How many hits of a site were not counted on a day, for one reason."""

    __tablename__ = "drop_count"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    counted_on: Mapped[date] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(32), primary_key=True)
    hit_count: Mapped[int] = mapped_column(BigInteger)


class AuditRow(Base):
    """One entry of the audit trail, hash-chained over the whole installation.

    `body` is what the chain covers; the columns repeat it for look-ups.
    """

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    occurred_at: Mapped[datetime] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(String(64))
    actor: Mapped[str] = mapped_column(String(254), index=True, server_default="")
    account_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    body: Mapped[str] = mapped_column(Text)
    chain_hash: Mapped[str] = mapped_column(String(64))


class AuditCheckpointRow(Base):
    """What the audit trail ended with at a moment, signed. `made_at` is the text that was signed."""

    __tablename__ = "audit_checkpoint"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    chain_hash: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[str] = mapped_column(String(40))
    signature: Mapped[str] = mapped_column(String(128))


class ChainAnchorRow(Base):
    """Where a chain begins after retention took its oldest entries, signed.

    `chain`: ``audit`` or ``consent:SITE_ID``.
    """

    __tablename__ = "chain_anchor"

    chain: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    chain_hash: Mapped[str] = mapped_column(String(64))
    removed_count: Mapped[int] = mapped_column(BigInteger)
    removed_at: Mapped[datetime]
    signature: Mapped[str] = mapped_column(String(128), default="", server_default="")


class AccountRow(Base):
    """An account holder of a site: the identifier only as keyed digest and sealed.

    `wrapped_key` is empty: data keys have a file of their own, into which those of before are taken at the start.
    `restricted_at`: since when the processing of its rows is restricted, where it is. `signed_out_at`: when it last
    signed out on the website; the person's own page knows nobody any more who had opened it before.
    """

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("site_id", "subject_digest"),)

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    subject_digest: Mapped[str] = mapped_column(String(64))
    subject_sealed: Mapped[bytes]
    wrapped_key: Mapped[bytes]
    created_at: Mapped[datetime]
    restricted_at: Mapped[datetime | None]
    signed_out_at: Mapped[datetime | None]


class AccountHitRow(Base):
    """A row of the account log: sealed under the account's key. The day stands outside for retention alone."""

    __tablename__ = "account_hit"
    __table_args__ = (UniqueConstraint("account_id", "hit_id"), Index("ix_account_hit_day", "site_id", "occurred_on"))

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    hit_id: Mapped[int] = mapped_column(BigInteger)
    occurred_on: Mapped[date]
    sealed: Mapped[bytes]


class PromotionRow(Base):
    """A visit on its way from the event log to the account log, and while it lasts there; then it is deleted.

    `state`: requested → sealed → copied → removed → done; `link`, which says which visit it is, is sealed. So nothing
    joins the account to what the browser did before or does after, or to when somebody signed in. A number never
    comes again: what was sealed under it may yet stand in the spool of a backup. Earlier versions had the pseudonyms
    beside the link in the clear.
    """

    __tablename__ = "promotion"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = _id()
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    visitor_id: Mapped[int | None] = mapped_column(BigInteger)
    visit_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    requested_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    claimed_until_at: Mapped[datetime | None]
    consent: Mapped[str | None] = mapped_column(String(64))
    link: Mapped[bytes | None]
    claimed_by: Mapped[str | None] = mapped_column(String(32), index=True)


class UsedTokenRow(Base):
    """A login token that was used: it cannot be used again before it has expired."""

    __tablename__ = "used_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RetentionRuleRow(Base):
    """How long a site's class of information is kept (ISO 8601 duration)."""

    __tablename__ = "retention_rule"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    info_class: Mapped[str] = mapped_column(String(32), primary_key=True)
    keep: Mapped[str] = mapped_column(String(32))
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(254))


class RetentionRunRow(Base):
    """What a run of the retention rules reported."""

    __tablename__ = "retention_run"

    id: Mapped[int] = _id()
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    report: Mapped[str] = mapped_column(Text)


class JobRow(Base):
    """A scheduled job's claim and its last outcome: one runner even with many processes."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    claimed_until_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(Text, default="")

"""What every process has, the command line too: settings, clock, keys, the control database, and its services.

A service is made, and its module loaded, when it is first asked for: `webmon site list` is not to wait for what it
never calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from webmon.clock import Clock, SystemClock
from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.site import Mode
from webmon.errors import SettingsError, WebmonError
from webmon.settings import Settings, load_settings
from webmon.stores.accountkeys import AccountKeyFile
from webmon.stores.control.database import ControlDatabase, sqlite_url
from webmon.stores.folders import make_folder
from webmon.stores.vault import DATA, KEYS, Vault

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from webmon.domain.site import Site
    from webmon.domain.unwanted import Unwanted
    from webmon.services.account_keys import AccountKeys
    from webmon.services.check_account_log import AccountLogCheck
    from webmon.services.consent_counts import ConsentCounts
    from webmon.services.import_log import LogImporter
    from webmon.services.keep_register import Register
    from webmon.services.manage_sites import Sites
    from webmon.services.manage_staff import StaffAccounts
    from webmon.services.publish_notice import Notices
    from webmon.services.read_audit import AuditLog
    from webmon.services.record_consent import Consents
    from webmon.services.refused_attempts import RefusedAttempts
    from webmon.services.restrict_account import Restrictions
    from webmon.services.rotate_keys import KeyRotation
    from webmon.services.second_factor import SecondFactors
    from webmon.services.sign_consents import Signer
    from webmon.stores.daykeys import DayKeys
    from webmon.stores.geo import Geo
    from webmon.stores.ports.keys import WrappedStore
    from webmon.stores.ports.spool import SpoolEntry
    from webmon.stores.spool import Spool

# The version of the control database from which on where a chain begins is signed.
ANCHORS_ARE_SIGNED = "0021"
# Keys that die are kept apart, so that no backup of the rest holds them.
EPHEMERAL = "ephemeral"
EVENTS, SPOOL = "events", "spool"


class Core:
    """Settings, clock, keys and the control database, and the services that need no more than these."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or load_settings()
        self.clock = clock or SystemClock()
        self.folder = _open_folder(self.settings.data_dir)
        _check_control_database(self.folder)
        self.vault = Vault.open(self.folder, self.settings.wrapping_key)
        self.data_keys = AccountKeyFile(self.folder / KEYS / "accounts.db")
        self.database = ControlDatabase(sqlite_url(self.folder / DATA))
        try:
            self._check_keys()
            self.database.migrate(self._sign_anchors)
        except WebmonError:
            Core.close(self)
            raise
        (self.folder / DATA).chmod(0o600)
        # Held by whoever moves rows between spool, event log and account log: no row is seen in two places.
        self.log_lock = threading.Lock()
        self._take_over_data_keys()

    @cached_property
    def sites(self) -> Sites:
        from webmon.services.manage_sites import Sites
        from webmon.stores.control.sites import SqlSites

        return Sites(self.database.unit(SqlSites), self.vault)

    @cached_property
    def account_keys(self) -> AccountKeys:
        from webmon.services.account_keys import AccountKeys
        from webmon.stores.control.accounts import SqlAccounts

        return AccountKeys(self.database.unit(SqlAccounts), self.vault, self.data_keys)

    @cached_property
    def restrictions(self) -> Restrictions:
        from webmon.services.restrict_account import Restrictions
        from webmon.stores.control.accounts import SqlAccounts

        return Restrictions(self.database.unit(SqlAccounts), self.account_keys, self.log_lock)

    @cached_property
    def account_log_check(self) -> AccountLogCheck:
        from webmon.services.check_account_log import AccountLogCheck
        from webmon.stores.control.accounts import SqlAccounts

        return AccountLogCheck(self.database.unit(SqlAccounts), self.account_keys)

    @cached_property
    def notices(self) -> Notices:
        from webmon.services.publish_notice import Notices
        from webmon.stores.control.consent import SqlConsents

        return Notices(self.database.unit(SqlConsents))

    @cached_property
    def register(self) -> Register:
        from webmon.services.keep_register import Register
        from webmon.stores.control.register import SqlRegister

        return Register(self.database.unit(SqlRegister), self.notices)

    @cached_property
    def consents(self) -> Consents:
        from webmon.services.record_consent import Consents
        from webmon.stores.control.consent import SqlConsents

        return Consents(
            self.database.unit(SqlConsents),
            self.notices,
            self.settings.public_url,
            self.consent_counts,
            self.signer,
        )

    @cached_property
    def consent_counts(self) -> ConsentCounts:
        from webmon.services.consent_counts import ConsentCounts
        from webmon.stores.control.consent_figures import SqlConsentFigures

        return ConsentCounts(self.database.unit(SqlConsentFigures), self.notices)

    @cached_property
    def signer(self) -> Signer:
        from webmon.services.sign_consents import Signer
        from webmon.stores.control.consent import SqlConsents

        return Signer(self.database.unit(SqlConsents), self.vault)

    @cached_property
    def key_rotation(self) -> KeyRotation:
        from webmon.services.rotate_keys import KeyRotation
        from webmon.stores.control.repository import Repository
        from webmon.stores.control.wrapped import ControlWrapped

        stores = (ControlWrapped(self.database), self.data_keys)
        return KeyRotation(self.vault, stores, self.database.unit(Repository))

    @cached_property
    def staff(self) -> StaffAccounts:
        from webmon.services.manage_staff import StaffAccounts
        from webmon.stores.control.staff import SqlStaff

        return StaffAccounts(
            self.database.unit(SqlStaff),
            self.settings.min_password_length,
            self.second_factors,
            self.refused_attempts,
        )

    @cached_property
    def second_factors(self) -> SecondFactors:
        from webmon.services.second_factor import SecondFactors
        from webmon.stores.control.staff import SqlStaff

        return SecondFactors(self.database.unit(SqlStaff), self.vault)

    @cached_property
    def refused_attempts(self) -> RefusedAttempts:
        from webmon.services.refused_attempts import RefusedAttempts
        from webmon.stores.control.repository import Repository

        return RefusedAttempts(self.database.unit(Repository))

    @cached_property
    def audit(self) -> AuditLog:
        from webmon.services.read_audit import AuditLog
        from webmon.stores.control.repository import Repository

        return AuditLog(self.database.unit(Repository), self.signer)

    @cached_property
    def geo(self) -> Geo:
        from webmon.stores.geo import Geo

        return Geo(self.settings.place_file, self.settings.asn_file)

    @cached_property
    def unwanted(self) -> Unwanted:
        from webmon.domain.unwanted import Unwanted
        from webmon.stores.lists import read_datacenters, read_spam_referrers

        spam = read_spam_referrers(self.settings.spam_referrers_file)
        return Unwanted(spam, read_datacenters(self.settings.datacenter_file))

    def add_site(
        self,
        domain: str,
        *,
        actor: str,
        timezone: str = "UTC",
        mode: str = Mode.CONSENTED_ONLY,
        minimum_group: int = 1,
        honour_dnt: bool = False,
        jurisdiction: str = Jurisdiction.EVERYWHERE_OPT_IN,
    ) -> Site:
        """Add a site with everything that it begins with."""
        now = self.clock.now()
        site = self.sites.add(
            domain,
            now,
            actor=actor,
            timezone=timezone,
            mode=mode,
            minimum_group_count=minimum_group,
            honour_dnt=honour_dnt,
            jurisdiction=jurisdiction,
        )
        self.notices.publish_defaults(site, now, actor=actor)
        return site

    def job_outcomes(self) -> dict[str, str]:
        """What each scheduled job said at its last end: ``ok: …`` or ``failed: …``, empty while it runs."""
        from webmon.stores.control.jobs import SqlJobs

        with self.database.unit(SqlJobs)() as jobs:
            return {name: outcome for name, _, outcome in jobs.outcomes()}

    # What an import of a log needs, whether or not a server runs beside it

    def import_spool(self, name: str) -> Spool:
        from webmon.stores.spool import Spool

        return Spool(self.folder / SPOOL / f"{name}.db", self.settings.spool_limit, deduplicate=True)

    def import_keys(self, name: str) -> DayKeys:
        from webmon.stores.daykeys import DayKeys

        return DayKeys(self.folder / EPHEMERAL / f"{name}.json")

    def log_importer(
        self, site: Site, keys: DayKeys, append: Callable[[Sequence[SpoolEntry]], None], *, keep_numbers: bool
    ) -> LogImporter:
        from webmon.domain.pseudonym import PseudonymKey
        from webmon.services.import_log import LogImporter

        row_key = PseudonymKey(self.vault.derive(f"import:{site.id}"))
        return LogImporter(site, keys, row_key, self.geo, self.unwanted, append, self.clock.now(), keep_numbers)

    def record_import(self, site: Site, *, actor: str, kept: int, stored: int) -> None:
        from webmon.stores.control.sites import SqlSites

        with self.database.unit(SqlSites)() as sites:
            detail = {"kept": kept, "stored": stored}
            sites.audit.record(self.clock.now(), actor, "log.import", site_id=site.id, detail=detail)

    def _check_keys(self) -> None:
        """See that what was restored fits together, before anything is written.

        Else hits would be acknowledged whose account's data key does not open, and never reach it.
        """
        from webmon.stores.control.wrapped import ControlWrapped

        stores: tuple[tuple[str, WrappedStore], ...] = (
            (KEYS, self.data_keys),
            (DATA, ControlWrapped(self.database)),
        )
        for name, store in stores:
            samples = store.samples(len(self.vault.mark))
            if any(self.vault.is_foreign(wrapped, context) for wrapped, context in samples):
                raise _foreign(self.folder / name, self.vault.key_name)

    def _sign_anchors(self, session: Session, found: str) -> None:
        """Sign where chains begin that were shortened before that was signed: once, for nobody can tell it later."""
        if not "" < found < ANCHORS_ARE_SIGNED:
            return
        from webmon.services.read_audit import AuditLog
        from webmon.services.sign_consents import Signer
        from webmon.stores.control.consent import SqlConsents
        from webmon.stores.control.database import Within
        from webmon.stores.control.sites import SqlSites

        signer = Signer(Within(SqlConsents(session)), self.vault)
        AuditLog(Within(SqlSites(session)), signer).sign_anchor()
        for site in SqlSites(session).all():
            signer.sign_anchor(site)

    def _take_over_data_keys(self) -> None:
        """Move accounts' keys out of the control database, where they were before they had a file of their own."""
        if self.data_keys.has_taken_over:
            return
        from webmon.stores.control.accounts import SqlAccounts

        unit = self.database.unit(SqlAccounts)
        with unit() as accounts:
            self.data_keys.take_over(accounts.kept_keys())
        with unit() as accounts:
            accounts.forget_keys()
        self.database.scrub()
        self.data_keys.note_taken_over()

    def close(self) -> None:
        with closing(self.data_keys), closing(self.database):
            pass


def _check_control_database(folder: Path) -> None:
    """Refuse a folder that has been served, and has no control database any more, before anything is written.

    It would pass for a new one: the first site that is added would get the rows of the one before.
    """
    if (folder / DATA).exists():
        return
    # Made after the control database, always.
    left = next((folder / name for name in (EVENTS, SPOOL) if (folder / name).exists()), None)
    if left is not None:
        raise SettingsError(
            f"{folder / DATA} is missing, but {left} was written with it. Put the whole folder back from its last "
            "backup, since its parts belong together, or name an empty one in WEBMON_DATA_DIR"
        )


def _foreign(path: Path, name: str) -> SettingsError:
    return SettingsError(
        f"{path} is wrapped under another wrapping key than the one of {name}, as parts of before a rotation and of "
        f"after it are. Add the other key to {name}, the newer one first, and run: webmon key rotate"
    )


def _open_folder(folder: Path) -> Path:
    folder = folder.resolve()
    try:
        make_folder(folder)
        folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"WEBMON_DATA_DIR: {folder} cannot be used: {error.strerror}") from error
    return folder

"""`webmon doctor`: what is wrong with settings, files, permissions and stores, and what to do about it."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from webmon.domain.address import Networks
from webmon.errors import WebmonError
from webmon.running import find_server, lock_data, public_url

if TYPE_CHECKING:
    from webmon.core import Core

OK, WARNING, FAILURE = "ok", "warning", "failure"
_LOW_DISK_BYTES = 1024**3
_OLD_MAP_DAYS = 365
_PRIVATE = 0o077
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `state` is ok, warning or failure; `text` says what to do where it is not ok."""

    check: str
    state: str
    text: str


Check = Callable[["Core"], Iterator[Finding]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def command(as_json: bool) -> None:
    """Say what is wrong with settings, files, permissions and stores. Exit status 1 where something fails."""
    from webmon.core import Core

    try:
        core = Core()
    except WebmonError as error:  # a setting, a key file or a database without which nothing else can be looked at
        findings = [Finding("start", FAILURE, str(error))]
    else:
        findings = [finding for check in CHECKS for finding in _run(check, core)]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{finding.state:<8} {finding.check:<18} {finding.text}")
    if any(finding.state == FAILURE for finding in findings):
        raise SystemExit(1)


def _run(check: Check, core: Core) -> Iterator[Finding]:
    try:
        yield from check(core)
    except (WebmonError, ValueError, OSError) as error:
        name = check.__name__.strip("_").replace("_", " ")
        yield Finding(name, FAILURE, str(error))


def _permissions(core: Core) -> Iterator[Finding]:
    loose = [path for path in (core.folder, *core.folder.rglob("*")) if _mode(path) & _PRIVATE]
    for path in loose[:10]:
        yield Finding("permissions", FAILURE, f"{path} can be read by others; run: chmod go-rwx {path}")
    if not loose:
        yield Finding("permissions", OK, f"{core.folder} and all in it are its owner's alone")


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:  # a running server has removed it meanwhile
        return 0


def _wrapping_key(core: Core) -> Iterator[Finding]:
    if core.vault.rotating:
        text = "an older one is still known: its rotation was interrupted, or is not ended; run: webmon key rotate"
        yield Finding("wrapping key", WARNING, text)
    else:
        yield Finding("wrapping key", OK, f"one, of {core.vault.key_name}")


def _disk(core: Core) -> Iterator[Finding]:
    free = shutil.disk_usage(core.folder).free
    low = free < _LOW_DISK_BYTES
    text = f"{free / 1024**3:.1f} GiB free" + ("; hits are refused once nothing is left" if low else "")
    yield Finding("disk", WARNING if low else OK, text)


def _public_address(core: Core) -> Iterator[Finding]:
    address, server = public_url(core.settings), find_server(core.folder)
    parts = urlsplit(address)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if server is not None and server.public_url != address:
        text = f"{address} here, but {server.public_url} where the server was started: set WEBMON_PUBLIC_URL alike"
        yield Finding("public address", WARNING, text)
    elif parts.scheme == "https" or local:
        yield Finding("public address", OK, address)
    else:
        text = f"{address} is not https: put a TLS proxy before webmon and set WEBMON_PUBLIC_URL"
        yield Finding("public address", WARNING, text)


def _proxies(core: Core) -> Iterator[Finding]:
    try:
        Networks(core.settings.trusted_proxies)
    except ValueError as error:
        yield Finding("trusted proxies", FAILURE, f"WEBMON_TRUSTED_PROXIES: {error}")
    else:
        told = ", ".join(core.settings.trusted_proxies) or "none: the address of who connects counts"
        if core.settings.trusted_proxies and not core.settings.proxy_header:
            text = f"{told}: name the header that they set in WEBMON_PROXY_HEADER, or clients may add another"
            yield Finding("trusted proxies", WARNING, text)
        else:
            yield Finding("trusted proxies", OK, told)


def _maps(core: Core) -> Iterator[Finding]:
    """The files that tell place and provider."""
    age = (core.clock.now() - core.geo.built_at).days
    text = f"{core.settings.place_file.name}, {age} days old"
    name = "city file" if core.settings.city_file else "country file"
    advice = f"; a newer file goes into WEBMON_{name.upper().replace(' ', '_')}"
    old = age > _OLD_MAP_DAYS
    yield Finding(name, WARNING if old else OK, text + (advice if old else ""))
    asn = core.settings.asn_file
    yield Finding("provider file", OK, asn.name if asn else "none set (WEBMON_ASN_FILE): providers stay unknown")


def _sites(core: Core) -> Iterator[Finding]:
    sites = core.sites.all()
    told = ", ".join(site.domain for site in sites)
    yield Finding("sites", OK if sites else WARNING, told or "none yet; run: webmon site add DOMAIN")


def _login_keys(core: Core) -> Iterator[Finding]:
    from webmon.services.manage_sites import DAMAGED

    for site in core.sites.all():
        for kept in core.sites.kept_login_keys(site):
            if kept.key.algorithm == DAMAGED and kept.ends_at is None:
                text = (
                    f"a login key of {site.domain} is damaged, and tokens signed with it are refused; make another, "
                    f"and run: webmon site end-login-key {site.domain} --key {kept.key.id}"
                )
                yield Finding("login keys", FAILURE, text)


def _staff(core: Core) -> Iterator[Finding]:
    members = core.staff.all()
    owners = [one for one in members if one.staff.owns_all and one.password_hash]
    if owners:
        yield Finding("staff", OK, f"{len(members)} with a role, {len(owners)} of them owning all")
    else:
        text = "nobody who owns all has set a password; run: webmon staff add EMAIL --role owner"
        yield Finding("staff", WARNING, text)


def _retention(core: Core) -> Iterator[Finding]:
    from webmon.services.retention_file import read_rules

    read_rules(core.settings.retention_file, [site.domain for site in core.sites.all()])
    yield Finding("retention rules", OK, str(core.settings.retention_file or "those of the admin pages"))


def _control_database(core: Core) -> Iterator[Finding]:
    faults = core.database.faults()
    yield Finding("control database", FAILURE if faults else OK, "; ".join(faults) or "whole, at the newest version")


def _chains(core: Core) -> Iterator[Finding]:
    verdicts = {"audit trail": core.audit.verify()}
    ledgers = core.consents.verify_all(core.sites.all())
    verdicts |= {f"ledger of {domain}": verdict for domain, verdict in ledgers.items()}
    for name, verdict in verdicts.items():
        text = f"{verdict.checked_count} entries hold"
        fault = "" if verdict.holds else f"; entry {verdict.broken_seq} {verdict.reason}"
        yield Finding(name, OK if verdict.holds else FAILURE, text + fault)
    if core.audit.lacks_checkpoint(core.clock.now()):
        text = "no signed checkpoint is there; a running server signs one every hour: see why it does not"
        yield Finding("audit trail", WARNING, text)


def _event_log(core: Core) -> Iterator[Finding]:
    from webmon.commands import commands
    from webmon.runtime import Runtime

    server = find_server(core.folder)
    if server is not None:
        found, where = server.call("ping", {}), f"the server at {server.url} has it open"
    else:
        with lock_data(core.folder):
            runtime = Runtime(core.settings, core.clock)
            try:
                found = dict(commands(runtime)["ping"]({}))
            finally:
                runtime.close()
        where = "opens"
    for fault in found["faults"]:
        yield Finding("event log", FAILURE, f"{fault}; hits wait in the spool until it is back from a backup")
    if not found["faults"]:
        yield Finding("event log", OK, where)
    if found["lost_keys"]:
        lost = f"{found['lost_keys']} accounts have no data key, or a damaged one"
        text = f"{lost}; put back the newest copy of {core.folder / 'keys'}"
        yield Finding("data keys", FAILURE, f"{text}, or, if there is none, run: webmon account erase-lost")
    else:
        yield Finding("data keys", OK, "every account has its own")
    yield Finding("spool", OK, f"{found['waiting']} hits wait for the event log")


def _set_aside(core: Core) -> Iterator[Finding]:
    """What nobody reads any more, and somebody should look at."""
    for path in sorted((core.folder / "spool").glob("*.damaged")):
        yield Finding("spool", WARNING, f"{path} was damaged; run the import that it is of again, then delete it")
    for path in (core.folder / "spool").glob("damaged.hits"):
        text = (
            f"{path} holds hits that nothing can read; find out what damaged them, then stop the server and delete it"
        )
        yield Finding("spool", WARNING, text)


def _account_log(core: Core) -> Iterator[Finding]:
    found = core.account_log_check.run()
    if found.unopened_count:
        whose = ", ".join(str(number) for number in found.account_ids[:_NAMED])
        text = f"{found.unopened_count} of {found.row_count} rows cannot be opened, of accounts {whose}"
        more = f" and {len(found.account_ids) - _NAMED} more" if len(found.account_ids) > _NAMED else ""
        advice = "; they were changed, or moved there from elsewhere, or the key is: nobody is shown them"
        yield Finding("account log", FAILURE, text + more + advice)
    else:
        yield Finding("account log", OK, f"{found.row_count} rows, and every one opens")


def _jobs(core: Core) -> Iterator[Finding]:
    failed = {name: outcome for name, outcome in core.job_outcomes().items() if outcome.startswith("failed")}
    for name, outcome in failed.items():
        yield Finding(f"job {name}", FAILURE, f"its last run: {outcome}")
    if not failed:
        yield Finding("jobs", OK, "none has failed at its last run")


CHECKS: tuple[Check, ...] = (
    _permissions,
    _wrapping_key,
    _disk,
    _public_address,
    _proxies,
    _maps,
    _sites,
    _login_keys,
    _staff,
    _retention,
    _control_database,
    _chains,
    _event_log,
    _set_aside,
    _account_log,
    _jobs,
)

"""`webmon audit`: the audit trail, proven, signed and written out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NO_CHECKPOINT = "no signed checkpoint is there, so a trail that was written anew would hold as well"
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def command() -> None:
    """Verify, sign and write out the audit trail."""


@command.command()
@click.option("--checkpoints", type=_FILE, help="Also against checkpoints that were kept elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def verify(checkpoints: Path | None, as_json: bool) -> None:
    """Walk the audit trail and its signed checkpoints, and name the first entry that does not hold."""
    from webmon.cli.consent import read_checkpoints
    from webmon.core import Core

    core = Core()
    verdict = core.audit.verify(read_checkpoints(checkpoints) if checkpoints else ())
    unsigned = core.audit.lacks_checkpoint(core.clock.now())
    if as_json:
        document = {
            "holds": verdict.holds,
            "checked": verdict.checked_count,
            "broken": verdict.broken_seq,
            "reason": verdict.reason,
            "unsigned": unsigned,
        }
        click.echo(json.dumps(document))
    else:
        fault = "" if verdict.holds else f"; entry {verdict.broken_seq} {verdict.reason}"
        word = f"; {NO_CHECKPOINT}" if unsigned else ""
        click.echo(f"{verdict.checked_count} entries hold{fault}{word}")
    if not verdict.holds:
        raise SystemExit(1)


@command.command()
def checkpoint() -> None:
    """Sign what the audit trail ends with, and print it as a line of JSON. Kept elsewhere, it proves later that
    nothing before it was changed or taken out."""
    from webmon.core import Core

    core = Core()
    made = core.audit.checkpoint(core.clock.now())
    if made is not None:
        click.echo(json.dumps(made.document()))


@command.command()
@click.option("--site", "domain", help="Only what is about this site.")
@click.option("--actor", default="", help="Only what this staff member, or part of webmon, did.")
@click.option("--action", default="", help="Only this action, such as staff.add, or of a noun: staff.")
@click.option("--since", type=_DAY, help="From this day on (UTC).")
@click.option("--until", type=_DAY, help="Up to this day and with it (UTC).")
def export(domain: str | None, actor: str, action: str, since: datetime | None, until: datetime | None) -> None:
    """Print the entries, oldest first, one JSON object a line; that it was done is an entry itself."""
    from webmon.core import Core
    from webmon.stores.ports.audit import AuditFilter

    core = Core()
    where = AuditFilter(
        sites=None if domain is None else [core.sites.get(domain).id],
        actor=actor,
        action=action,
        since=since.replace(tzinfo=UTC) if since else None,
        until=_end_of(until) if until else None,
    )
    for entry in core.audit.export(core.clock.now(), actor="operator", where=where):
        click.echo(json.dumps(entry.document(), ensure_ascii=False))


def _end_of(day: datetime) -> datetime | None:
    """The moment before which an entry of the day is; None where there is no later day."""
    if day.date() == date.max:
        return None
    return day.replace(tzinfo=UTC) + timedelta(days=1)

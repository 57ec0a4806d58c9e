"""`webmon audit`: proof that the audit trail is what it was."""

from __future__ import annotations

import json

import click


@click.group()
def command() -> None:
    """Verify the audit trail."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def verify(as_json: bool) -> None:
    """Walk the audit trail and name the first entry that does not hold."""
    from webmon.app import Core

    verdict = Core().audit.verify()
    if as_json:
        document = {
            "holds": verdict.holds,
            "checked": verdict.checked_count,
            "broken": verdict.broken_seq,
            "reason": verdict.reason,
        }
        click.echo(json.dumps(document))
    else:
        fault = "" if verdict.holds else f"; entry {verdict.broken_seq} {verdict.reason}"
        click.echo(f"{verdict.checked_count} entries hold{fault}")
    if not verdict.holds:
        raise SystemExit(1)

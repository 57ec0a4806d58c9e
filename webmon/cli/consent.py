"""`webmon consent`: proof that the ledger is what it was."""

from __future__ import annotations

import json

import click


@click.group()
def command() -> None:
    """Verify the consent ledger."""


@command.command()
@click.option("--site", "domain", help="Only the ledger of this site.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def verify(domain: str | None, as_json: bool) -> None:
    """Walk the ledger of each site and name the first record that does not hold."""
    from webmon.app import Core

    core = Core()
    sites = [core.sites.get(domain)] if domain else core.sites.all()
    verdicts = {site.domain: core.consents.verify(site) for site in sites}
    if as_json:
        rows = [
            {"site": name, "holds": v.holds, "checked": v.checked_count, "broken": v.broken_seq, "reason": v.reason}
            for name, v in verdicts.items()
        ]
        click.echo(json.dumps(rows))
    else:
        for name, verdict in verdicts.items():
            fault = f"record {verdict.broken_seq} {verdict.reason}"
            click.echo(f"{name}: {verdict.checked_count} records hold{'' if verdict.holds else '; ' + fault}")
    if not all(verdict.holds for verdict in verdicts.values()):
        raise SystemExit(1)

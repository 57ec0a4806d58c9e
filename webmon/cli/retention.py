"""`webmon retention`: what the rules would delete, and deleting it."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from webmon.cli.on_runtime import on_runtime

_HEAD = ("Site", "Class", "Kept", "Until before", "Looked at", "Expired", "Deleted", "")


@click.group()
def command() -> None:
    """Say what the retention rules would delete, and delete it."""


_site = click.option("--site", "domain", help="Only the rules of this site.")
_json = click.option("--json", "as_json", is_flag=True, help="Report as JSON.")


@command.command()
@_site
@_json
def plan(domain: str | None, as_json: bool) -> None:
    """Say, rule by rule, what would go now. Deletes nothing."""
    _show(on_runtime("retention.plan", {"site": domain}), as_json)


@command.command()
@_site
@_json
@click.option("--yes", is_flag=True, help="Do not ask.")
def apply(domain: str | None, as_json: bool, yes: bool) -> None:
    """Delete what has expired, for good. Asks first, unless --yes."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Deleting needs --yes where nobody can be asked")
        planned = on_runtime("retention.plan", {"site": domain})
        _print(planned)
        total = sum(rule["expired_count"] for rule in planned["rules"])
        click.confirm(f"Delete these {total} rows for good?", abort=True)
    _show(on_runtime("retention.apply", {"site": domain}), as_json)


def _show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(report)
    if not report["complete"]:
        raise SystemExit(1)


def _print(report: dict[str, Any]) -> None:
    rows = [_HEAD, *(_row(rule, report["applied"]) for rule in report["rules"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not report["rules"]:
        click.echo("There are no sites yet, so there is nothing to keep or to delete.")


def _remark(rule: dict[str, Any]) -> str:
    if rule["error"]:
        return f"FAILED: {rule['error']}"
    restricted = rule["restricted_count"]
    return f"restricted, so kept: {restricted}" if restricted else ""


def _row(rule: dict[str, Any], applied: bool) -> tuple[str, ...]:
    return (
        rule["site"],
        rule["info_class"],
        f"{rule['keep']} ({rule['origin']})",
        rule["cutoff"][:10],
        str(rule["looked_at_count"]),
        str(rule["expired_count"]),
        str(rule["deleted_count"]) if applied else "-",
        _remark(rule),
    )

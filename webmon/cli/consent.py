"""`webmon consent`: proof that the ledger is what it was, and that a receipt is ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Verify the consent ledger and receipts; sign what the ledger ends with."""


@command.command()
@click.option("--site", "domain", help="Only the ledger of this site.")
@click.option("--checkpoints", type=_FILE, help="Also against checkpoints that were kept elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def verify(domain: str | None, checkpoints: Path | None, as_json: bool) -> None:
    """Walk the ledger of each site and its signed checkpoints, and name the first record that does not hold."""
    from webmon.core import Core

    core = Core()
    kept = read_checkpoints(checkpoints) if checkpoints else []
    sites = [core.sites.get(domain)] if domain else core.sites.all()
    verdicts = core.consents.verify_all(sites, kept)
    if domain is None:
        verdicts |= core.consents.gone(kept, [site.domain for site in sites])
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


@command.command()
@click.option("--site", "domain", help="Only the ledger of this site.")
def checkpoint(domain: str | None) -> None:
    """Sign what each site's ledger ends with, and print it, one JSON object a line. Kept elsewhere, it proves later
    that nothing before it was changed or taken out."""
    from webmon.core import Core

    core = Core()
    for site in [core.sites.get(domain)] if domain else core.sites.all():
        made = core.signer.checkpoint(site, core.clock.now())
        if made is not None:
            click.echo(json.dumps(made.document()))


@command.command("check-receipt")
@click.argument("file", type=_FILE)
@click.option("--key", "key_file", type=_FILE, help="The published key; without it, that of the data folder.")
def check_receipt(file: Path, key_file: Path | None) -> None:
    """Check the signature of the receipt FILE, without any connection. Exit status 1 where it does not hold."""
    from webmon.domain.signing import document_fault, read_public_key

    try:
        key = read_public_key(_read_json(key_file) if key_file else _own_key())
    except ValueError as error:
        raise click.ClickException(f"{key_file}: {error}") from error
    receipt = _read_json(file)
    fault = document_fault(key, receipt)
    if fault:
        number = receipt.get("consent_receipt_id", "") if isinstance(receipt, dict) else ""
        raise click.ClickException(f"{file}: the receipt {str(number)[:36]!r} {fault}")
    click.echo(f"The receipt {receipt['consent_receipt_id']} holds.")


def _own_key() -> Any:
    from webmon.core import Core

    return Core().signer.public()


def _read_json(path: Path) -> Any:
    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Of two fields of one name readers may see the one that was not signed.
        found = dict(pairs)
        if len(found) < len(pairs):
            raise click.ClickException(f"{path}: holds a field twice, of which only one can have been signed")
        return found

    try:
        return json.loads(path.read_text("utf-8"), object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{path}: is not JSON") from error


def read_checkpoints(path: Path) -> list[Any]:
    """Return the checkpoints of a file, one a line, or say that it holds something else."""
    import msgspec

    from webmon.domain.checkpoint import Checkpoint

    try:
        return [msgspec.json.decode(line, type=Checkpoint) for line in path.read_bytes().splitlines() if line.strip()]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise click.ClickException(f"{path}: holds a line that is no checkpoint") from error

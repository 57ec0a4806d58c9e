"""`webmon import`: what was measured before webmon, by another's means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from webmon.cli.bulk import Append, bring_in
from webmon.cli.on_runtime import on_runtime
from webmon.cli.progress import progress

if TYPE_CHECKING:
    from webmon.core import Core
    from webmon.domain.site import Site
    from webmon.services.import_log import ImportReport

_HEAD_BYTES = 64 * 1024
_LINE_LIMIT = 64 * 1024
_ACTOR = "operator"


@click.group()
def command() -> None:
    """Bring in what was measured elsewhere."""


@command.command("access-log")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "domain", required=True, help="The site whose pages the log is of.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.option(
    "--kept-lines",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the numbers of the lines that were kept to this file.",
)
def access_log(file: Path, domain: str, as_json: bool, kept_lines: Path | None) -> None:
    """Import page views from FILE, a web server's log in the combined format.

    Kept is what a person's browser asked for as a page; it goes the way of every hit, with the times of the log. The
    same file again, or a longer one that begins the same, adds only what is not there yet.
    """
    from webmon.core import Core

    core = Core()
    site = core.sites.get(domain)
    if kept_lines is not None:
        _try_to_write(kept_lines)
    report = _import(core, site, file, keep_numbers=kept_lines is not None)
    if kept_lines is not None:
        kept_lines.write_text("".join(f"{number}\n" for number in report.kept_lines))
    core.record_import(site, actor=_ACTOR, kept=report.kept_count, stored=report.stored_count)
    click.echo(json.dumps(_as_dict(report)) if as_json else _as_text(report))
    _warn_of_retention(site)


def _try_to_write(file: Path) -> None:
    """Before anything is read: a long import is not to end in an error."""
    try:
        file.write_text("")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _warn_of_retention(site: Site) -> None:
    """Old logs would otherwise vanish from the dashboard within hours, to everybody's surprise."""
    rules = on_runtime("retention.plan", {"site": site.domain})["rules"]
    rule = next(one for one in rules if one["info_class"] == "event_log")
    if rule["expired_count"]:
        click.echo(
            f"{rule['expired_count']} rows of {site.domain} are older than its rule for the event log "
            f"({rule['keep']}) and will be deleted within six hours. "
            "To keep them, give it a longer one (admin pages, Retention).",
            err=True,
        )


def _import(core: Core, site: Site, file: Path, *, keep_numbers: bool) -> ImportReport:
    """Read the file into a spool of its own; the day keys of the import end with it."""
    name = f"import-{site.id}-{_name(file)}"
    keys = core.import_keys(name)
    reports = []

    def fill(core: Core, append: Append) -> None:
        importer = core.log_importer(site, keys, append, keep_numbers=keep_numbers)
        with progress(file.stat().st_size, f"Reading {file.name}") as advance, file.open("rb") as lines:
            importer.run(_lines(lines, advance))
        reports.append(importer.report)

    stored = bring_in(core, name, fill)
    keys.destroy_all()
    reports[0].stored_count = stored
    return reports[0]


def _lines(file: IO[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """The lines of a log; of an endless one only the beginning, which is then malformed."""
    while line := file.readline(_LINE_LIMIT):
        size = len(line)
        ended = line.endswith(b"\n")
        while not ended and (rest := file.readline(_LINE_LIMIT)):
            size, ended = size + len(rest), rest.endswith(b"\n")
        yield line
        advance(size)


def _name(file: Path) -> str:
    """A log that has grown since keeps its name: an interrupted import goes on with the keys it began with."""
    with file.open("rb") as head:
        return hashlib.sha256(head.readline(_HEAD_BYTES)).hexdigest()[:16]


def _as_dict(report: ImportReport) -> dict[str, object]:
    return {
        "lines": report.line_count,
        "kept": report.kept_count,
        "stored": report.stored_count,
        "already_there": report.known_count,
        "skipped": dict(sorted(report.skipped.items())),
        "malformed": {"count": report.malformed_count, "lines": report.malformed},
    }


def _as_text(report: ImportReport) -> str:
    skipped = ", ".join(f"{reason} {count}" for reason, count in report.skipped.most_common()) or "none"
    lines = [
        f"Lines read      {report.line_count}",
        f"Page views kept {report.kept_count}",
        f"  newly stored  {report.stored_count}",
        f"  already there {report.known_count}",
        f"Skipped         {sum(report.skipped.values())} ({skipped})",
        f"Malformed       {report.malformed_count}",
    ]
    if report.malformed:
        numbers = ", ".join(map(str, report.malformed[:20]))
        more = " …" if report.malformed_count > 20 else ""
        lines.append(f"  lines         {numbers}{more}")
    return "\n".join(lines)

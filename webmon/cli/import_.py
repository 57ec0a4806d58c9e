"""`webmon import`: what was measured before webmon, by another's means."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from webmon.cli.progress import progress
from webmon.errors import SpoolFull, WebmonError

if TYPE_CHECKING:
    from webmon.app import Core
    from webmon.domain.site import Site
    from webmon.services.import_log import ImportReport
    from webmon.stores.ports.spool import SpoolEntry
    from webmon.stores.spool import Spool

_HEAD_BYTES = 64 * 1024
_LINE_LIMIT = 64 * 1024
_POLL_SECONDS = 0.1
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
    from webmon.app import Core

    core = Core()
    site = core.sites.get(domain)
    report = _import(core, site, file, keep_numbers=kept_lines is not None)
    if kept_lines is not None:
        kept_lines.write_text("".join(f"{number}\n" for number in report.kept_lines))
    core.record_import(site, actor=_ACTOR, kept=report.kept_count, stored=report.stored_count)
    click.echo(json.dumps(_as_dict(report)) if as_json else _as_text(report))


def _import(core: Core, site: Site, file: Path, *, keep_numbers: bool) -> ImportReport:
    from webmon.app import Runtime
    from webmon.running import find_server, lock_data

    name = f"import-{site.id}-{_name(file)}"
    if find_server(core.folder) is not None:
        return _run(core, site, file, name, _wait_for_server(core), keep_numbers)
    with lock_data(core.folder):
        runtime = Runtime(core.settings, core.clock)
        try:
            runtime.recover()
            return _run(runtime, site, file, name, runtime.ingester.run_once, keep_numbers)
        finally:
            runtime.close()


def _run(
    core: Core, site: Site, file: Path, name: str, move: Callable[[], object], keep_numbers: bool
) -> ImportReport:
    """Read the file into a spool of its own and have it moved to the event log; `move` brings that forward a bit."""
    keys, spool = core.import_keys(name), core.import_spool(name)
    before = int(spool.meta("stored"))
    with progress(file.stat().st_size, f"Reading {file.name}") as advance:
        importer = core.log_importer(
            site, keys, lambda entries: _append(spool, entries, move), keep_numbers=keep_numbers
        )
        with file.open("rb") as lines:
            importer.run(_lines(lines, advance))
    waiting = spool.count()
    with progress(waiting, "Moving to the event log") as advance:
        while waiting:
            move()
            left = spool.count()
            advance(waiting - left)
            waiting = left
    importer.report.stored_count = int(spool.meta("stored")) - before
    spool.finish()
    spool.close()
    keys.destroy_all()
    return importer.report


def _append(spool: Spool, entries: Sequence[SpoolEntry], move: Callable[[], object]) -> None:
    while True:
        try:
            return spool.append(entries)
        except SpoolFull:
            move()
            spool.refresh()


def _wait_for_server(core: Core) -> Callable[[], object]:
    """The running server moves what the spool holds; this waits a moment, and notices when the server is gone."""
    from webmon.running import find_server

    def wait() -> None:
        if find_server(core.folder) is None:
            raise WebmonError("The server stopped. Nothing is lost: run the same import again.")
        time.sleep(_POLL_SECONDS)

    return wait


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

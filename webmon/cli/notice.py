"""`webmon notice`: notices as files."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import click

from webmon.domain.notice import completed, make_draft, read_body
from webmon.domain.symmetry import failures
from webmon.errors import InvalidInput

ACTOR = "operator"


@click.group()
def command() -> None:
    """Bring in, check and write out notices as JSON."""


@command.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--site", "domain", required=True, help="The site whose draft it becomes.")
def import_(file: BinaryIO, domain: str) -> None:
    """Keep the notice in FILE (- for the standard input) as the draft of its language."""
    from webmon.core import Core

    core = Core()
    draft = core.notices.import_draft(core.sites.get(domain), read_body(file.read()), core.clock.now(), actor=ACTOR)
    click.echo(f"{domain}: the draft in {draft.notice.language} is now {draft.notice.hash}. It is not in force.")


@command.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def check(file: BinaryIO, as_json: bool) -> None:
    """Say what keeps the notice in FILE (- for the standard input) from being published; exit status 1 then."""
    found = _found(file.read())
    if as_json:
        click.echo(json.dumps(found))
    else:
        for one in found:
            click.echo(f"{one['rule']}: {one['where']} {one['text']}")
        if not found:
            click.echo("Nothing keeps it from being published.")
    if found:
        raise SystemExit(1)


@command.command()
@click.option("--site", "domain", required=True, help="The site.")
@click.option("--language", required=True, help="The notice's language, such as en.")
@click.option("--draft", is_flag=True, help="The draft, and not the notice in force.")
def export(domain: str, language: str, draft: bool) -> None:
    """Write the notice in force in a language, or its draft, to the standard output as JSON."""
    from webmon.core import Core

    core = Core()
    site = core.sites.get(domain)
    if draft:
        notice = core.notices.draft(site, language).notice
    else:
        notice = core.notices.in_force(site, language, core.clock.now())
    click.echo(json.dumps(notice.body, ensure_ascii=False, indent=2))


def _found(text: bytes) -> list[dict[str, Any]]:
    """What is wrong with a notice: under ``form`` where it is not well formed, else under the rule that it breaks."""
    try:
        notice = make_draft(completed(read_body(text)))
    except InvalidInput as error:
        return [
            {"rule": "form", "where": where, "text": text} for where, texts in error.errors.items() for text in texts
        ]
    return [{"rule": one.rule, "where": one.where, "text": one.text} for one in failures(notice.body)]

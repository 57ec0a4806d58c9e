"""What is documented exists, and what exists is documented."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from tests.support.world import World
from webmon.app import create_app
from webmon.cli import main
from webmon.domain.breakdowns import BREAKDOWNS, PROPS
from webmon.domain.drop import EXPLAINED, DropReason
from webmon.domain.hit import Hit
from webmon.domain.jurisdiction import PACKS, REASONS, Jurisdiction
from webmon.domain.metrics import METRICS
from webmon.domain.sources import CHANNELS
from webmon.settings import Settings
from webmon.web.collect.door import PATH, PIXEL_PATH

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def read(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_setting_is_documented_in_its_own_words_and_no_other() -> None:
    text = read("settings.md")
    assert set(re.findall(r"^\| `(WEBMON_\w+)`", text, re.MULTILINE)) == {
        f"WEBMON_{name.upper()}" for name in Settings.model_fields
    }
    for field in Settings.model_fields.values():
        assert field.description
        assert field.description in text


def commands(command: click.Command, path: tuple[str, ...], context: click.Context) -> dict[str, set[str]]:
    """Every command to its options."""
    if not isinstance(command, click.Group):
        options = [one for one in command.params if isinstance(one, click.Option)]
        return {" ".join(path): {one.opts[0] for one in options}}
    found: dict[str, set[str]] = {}
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found |= commands(inner, (*path, name), click.Context(inner, parent=context))
    return found


def test_every_command_and_option_is_documented_and_no_other() -> None:
    parts = re.split(r"^## `(webmon [a-z -]+?)(?: [A-Z]+)?`$", read("cli.md"), flags=re.MULTILINE)[1:]
    told = {
        name: set(re.findall(r"^\| `(--[a-z-]+)", body, re.MULTILINE))
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
    assert told == commands(main, ("webmon",), click.Context(main))


def test_every_endpoint_is_documented_and_no_other(world: World) -> None:
    rules = create_app(world.runtime).url_map.iter_rules()
    there = {
        (method, re.sub(r"<(?:\w+:)?", "<", rule.rule))
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = {
        (method, path)
        for methods, path in re.findall(r"^\| `([A-Z, ]+) (/\S*)`", read("endpoints.md"), re.MULTILINE)
        for method in methods.split(", ")
    }
    assert told == there | {("POST", PATH), ("GET", PIXEL_PATH), ("HEAD", PIXEL_PATH)}


@pytest.mark.parametrize("name", [*METRICS, *BREAKDOWNS])
def test_every_figure_and_breakdown_is_documented(name: str) -> None:
    assert f"`{name}`" in read("figures.md")


def test_every_metric_is_documented_and_no_other(tmp_path: Path) -> None:
    made = World(tmp_path / "data", metrics_token="a-token")
    try:
        text = made.client.get("/metrics", headers={"Authorization": "Bearer a-token"}).get_data(as_text=True)
    finally:
        made.close()
    there = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (webmon_\w+)", text, re.M)}
    told = set(re.findall(r"`(webmon_\w+)`", "".join(re.findall(r"^\| `webmon_.*$", read("operating.md"), re.M))))
    assert told == {name for name in there if not name.endswith("_created")}


def test_no_figure_breakdown_or_channel_is_documented_that_is_none() -> None:
    text = read("figures.md")
    assert set(re.findall(r"`((?:event|visit|time):[\w:]+)`", text)) == {*BREAKDOWNS, f"{PROPS}KEY"}
    listed = re.search(r"Metrics: (.*?)\. Date", text, re.DOTALL)
    assert listed
    assert set(re.findall(r"`(\w+)`", listed[1])) == set(METRICS)
    channels = re.search(r"by the field's rules: (.*?)\. ", text, re.DOTALL)
    assert channels
    assert re.split(r",\s+", channels[1].replace("\n", " ")) == [one.name for one in CHANNELS]


def test_every_column_of_the_event_log_is_documented_and_no_other() -> None:
    section = read("privacy.md").partition("## What a row of the event log holds")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(Hit.__struct_fields__)


def test_every_reason_not_to_count_a_hit_is_explained_and_documented() -> None:
    text = read("figures.md").partition("## Not counted")[2]
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == set(DropReason) == set(EXPLAINED)
    for one in EXPLAINED.values():
        assert f"| {one.label} | {one.sentence} |" in text


def test_every_policy_pack_and_reason_is_documented_and_no_other() -> None:
    text = read("policies.md")
    policies, _, rest = text.partition("## Packs")
    packs, reasons = rest.partition("\n## ")[0], text.partition("## Reasons")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", policies, re.MULTILINE)) == set(Jurisdiction)
    told = {
        key: (model, frozenset(re.findall(r"\b[A-Z]{2}(?:-[A-Z]{2})?\b", places)))
        for key, model, places in re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*) \|$", packs, re.MULTILINE)
    }
    assert told == {pack.key: (pack.model, pack.codes) for pack in PACKS.values()}
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", reasons, re.MULTILINE)) == dict(REASONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link).exists(), link


def test_every_decision_is_in_the_list() -> None:
    listed = set(re.findall(r"\]\((\S+\.md)\)", read("decisions/README.md")))
    assert listed == {path.name for path in (DOCS / "decisions").glob("*.md")} - {"README.md"}


def test_the_readme_opens_with_the_two_commands_and_they_exist() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert blocks[0].split("\n")[:2] == ["make serve", "make test"]
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    told = set(re.findall(r"`make ([a-z-]+)", "".join(page.read_text("utf-8") for page in PAGES)))
    assert told <= targets
    assert {"serve", "test", "lint", "fix", "bench", "demo-data", "clean", "help"} <= targets


def test_what_goes_into_the_audit_trail_is_documented() -> None:
    """Whatever is recorded by a name of its own; families of actions (`notice.…`) stand as such."""
    named = _recorded()
    assert {"account.erase", "wrapping_key.rotate", "staff.sign_in"} <= named
    text = read("audit.md")
    families = tuple(re.findall(r"`([a-z_]+\.)…`", text))
    assert sorted(one for one in named if f"`{one}`" not in text and not one.startswith(families)) == []


def _recorded() -> set[str]:
    calls = (
        node for path in (ROOT / "webmon").rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )
    return {
        call.args[2].value
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "record"
        if len(call.args) > 2 and isinstance(call.args[2], ast.Constant)
    }

"""`webmon notice`: notices as files, out and in again, and what keeps one from being published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from webmon.cli import main
from webmon.domain.notice import default_body

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WEBMON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, status: int = 0, given: str = "") -> Result:
        done = CliRunner().invoke(main, arguments, input=given)
        assert done.exit_code == status, done.output
        return done

    return invoke


def body(**change: Any) -> dict[str, Any]:
    return default_body("example.org", "en") | change


def test_a_notice_goes_out_comes_in_as_a_draft_and_out_again(run: Run, tmp_path: Path) -> None:
    run("site", "add", "example.org")
    file = tmp_path / "notice.json"
    file.write_text(run("notice", "export", "--site", "example.org", "--language", "en").output, "utf-8")
    assert json.loads(file.read_text("utf-8")) == body()
    new = body(privacy_contact="dpo@example.org")
    told = run("notice", "import", "-", "--site", "example.org", given=json.dumps(new)).output
    assert "the draft in en is now sha256-" in told
    assert "not in force" in told
    named = ("notice", "export", "--site", "example.org", "--language", "en")
    assert json.loads(run(*named, "--draft").output) == new
    assert json.loads(run(*named).output) == body(), "what is in force stays"


def test_what_breaks_a_rule_is_said_by_rule_and_part(run: Run) -> None:
    assert "Nothing keeps it" in run("notice", "check", "-", given=json.dumps(body())).output
    broken = json.dumps(body(buttons=["accept", "reject", "choose"], preselected=["marketing"]))
    told = run("notice", "check", "-", status=1, given=broken).output
    assert "tab_order: buttons must hold reject before accept" in told
    assert "preselected: preselected has marketing" in told
    found = json.loads(run("notice", "check", "-", "--json", status=1, given=broken).output)
    assert [one["rule"] for one in found] == ["tab_order", "preselected"]
    assert json.loads(run("notice", "check", "-", "--json", given=json.dumps(body())).output) == []


def test_a_file_of_before_there_were_all_texts_is_as_good_as_with_them(run: Run) -> None:
    run("site", "add", "example.org")
    texts = {key: text for key, text in body()["texts"].items() if key not in {"party", "counting_note"}}
    old = json.dumps(body(texts=texts))
    assert "Nothing keeps it" in run("notice", "check", "-", given=old).output
    run("notice", "import", "-", "--site", "example.org", given=old)
    named = ("notice", "export", "--site", "example.org", "--language", "en", "--draft")
    assert json.loads(run(*named).output) == body()


@pytest.mark.parametrize(("text", "where"), [("no JSON", "body"), (json.dumps(body(layout="wall")), "layout")])
def test_what_is_no_notice_is_said_by_part(run: Run, text: str, where: str) -> None:
    assert f"form: {where} " in run("notice", "check", "-", status=1, given=text).output


def test_a_file_that_cannot_be_a_draft_is_refused_in_a_sentence(run: Run) -> None:
    run("site", "add", "example.org")
    other = json.dumps(default_body("other.example", "en"))
    named = ("notice", "import", "-", "--site")
    assert "site must be example.org" in run(*named, "example.org", status=1, given=other).output
    assert "is not a site" in run(*named, "other.example", status=1, given=other).output
    assert "must be a JSON object" in run(*named, "example.org", status=1, given="[]").output
    out = ("notice", "export", "--site", "example.org", "--language")
    assert "No notice is in force in 'is'" in run(*out, "is", status=1).output
    assert "no draft in this language" in run(*out, "en", "--draft", status=1).output

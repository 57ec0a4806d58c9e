"""`make test` finds a browser, has Debian's installed where there is none, and else says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import need_chromium


def program(folder: Path, name: str, text: str = "exit 0") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("WEBMON_TEST_CHROMIUM", raising=False)
    monkeypatch.setattr(need_chromium, "PLACES", ())
    return tmp_path


def test_a_browser_that_is_there_is_taken(bare: Path) -> None:
    found = program(bare, "google-chrome")
    assert need_chromium.find_chromium() == str(found)
    assert need_chromium.main() == 0


def test_a_browser_can_be_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBMON_TEST_CHROMIUM", str(bare / "elsewhere"))
    assert need_chromium.find_chromium() is None
    program(bare, "elsewhere")
    assert need_chromium.find_chromium() == str(bare / "elsewhere")


def test_debian_s_is_installed_where_there_is_none(bare: Path) -> None:
    said = bare / "said.txt"
    install = f'echo "$@" >> {said}; case "$1" in install) : > {bare}/chromium; /bin/chmod +x {bare}/chromium;; esac'
    program(bare, "apt-get", install)
    program(bare, "sudo", 'exec "$@"')
    assert need_chromium.main() == 0
    first, second = said.read_text().splitlines()
    assert first.startswith("update")
    assert second.startswith("install -y")
    assert "chromium" in second.split()


def test_where_there_is_no_apt_it_says_what_to_do(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert os.environ["PATH"] == str(bare)
    assert need_chromium.main() == 1
    assert "WEBMON_TEST_CHROMIUM" in capsys.readouterr().out


def test_an_installation_that_fails_is_said_so(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(bare, "apt-get", "exit 100")
    program(bare, "sudo", 'exec "$@"')
    assert need_chromium.main() == 1
    assert "apt-get update failed" in capsys.readouterr().out

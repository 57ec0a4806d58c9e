"""What may stand in a log: nothing that came from a visitor."""

from __future__ import annotations

import pytest

from tests.support.world import World
from webmon.errors import Unavailable, told

SECRET = "a.person@example.net"


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), RuntimeError(f"could not convert {SECRET}")])
def test_a_library_s_words_are_left_out(error: Exception) -> None:
    assert told(error) == type(error).__name__


def test_our_own_words_and_the_system_s_are_told() -> None:
    assert told(Unavailable("the file is gone")) == "Unavailable: the file is gone"
    assert told(OSError(28, "No space left")) == "OSError: [Errno 28] No space left"


def test_an_unforeseen_error_is_a_page_and_a_log_line_without_address_or_message(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(type(world.runtime.staff), "link_owner", crash)
    answer = world.client.get("/staff/link/a-one-time-link")
    assert answer.status_code == 500
    assert SECRET not in answer.get_data(as_text=True)
    out, err = capfd.readouterr()
    assert "request.crashed" in out + err
    assert "RuntimeError" in out + err
    assert SECRET not in out + err
    assert "a-one-time-link" not in out + err

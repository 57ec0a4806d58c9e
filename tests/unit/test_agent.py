"""Browser, system and device out of user agents and client hints."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vectors import cases
from webmon.domain.agent import MOBILE_APP, Agent, parse_agent

CHROME_FROZEN = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


def _hints(case: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in case["input"].get("headers", {}).items()}


@pytest.mark.parametrize("case", cases("ua.json", "full", "plausible_goatcounter"))
def test_a_known_agent_is_read_as_elsewhere(case: dict[str, Any]) -> None:
    agent = parse_agent(case["input"]["user_agent"], _hints(case))
    for field, expected in case["expected"].get("normalized", {}).items():
        assert getattr(agent, field) == expected, field


# Other words there for what has one word here.
SAME = {"Firefox Mobile iOS": "Firefox"}


@pytest.mark.parametrize("case", cases("ua.json", "client_only"))
def test_a_browser_that_hides_in_another_s_name_is_told(case: dict[str, Any]) -> None:
    agent, expected = parse_agent(case["input"]["user_agent"]), case["expected"]
    assert agent.browser == SAME.get(expected["client"], expected["client"])
    assert agent.browser_version == ".".join(expected["client_version"].split(".")[:2])


@pytest.mark.parametrize(
    "case",
    [one for one in cases("ua.json", "plausible_goatcounter") if "browser" in one.values[0]["expected"]],
)
def test_a_plain_agent_is_read_as_elsewhere(case: dict[str, Any]) -> None:
    agent, expected = parse_agent(case["input"]["user_agent"]), case["expected"]
    assert (agent.browser, agent.os, agent.os_version) == (
        expected["browser"],
        expected["os"],
        expected["os_version"],
    )
    assert agent.browser_version.partition(".")[0] == expected["browser_major"]


@pytest.mark.parametrize("case", cases("ua.json", "os_only"))
def test_the_system_is_told_even_where_the_browser_is_rare(case: dict[str, Any]) -> None:
    agent = parse_agent(case["input"]["user_agent"])
    expected = case["expected"]
    assert agent.os == expected["os"]
    assert agent.os_version == ".".join(expected["os_version"].split(".")[:2])


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("Opera/9.80 (Android; Opera Mini/36.2/119.132; U; id) Presto/2.12.423 Version/12.16", "Mobile"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0", "Mobile"),
        ("Mozilla/5.0 (Android 14; Tablet; rv:132.0) Gecko/132.0 Firefox/132.0", "Tablet"),
        (
            "Mozilla/5.0 (Linux; Android 12; BRAVIA 4K VH2) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/120.0 Safari/537.36",
            "Desktop",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 15_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.1"
            " Mobile/15E148 Safari/604.1",
            "Tablet",
        ),
        ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko", "Desktop"),
    ],
)
def test_the_device_follows_what_the_agent_says_of_it(user_agent: str, expected: str) -> None:
    assert parse_agent(user_agent).device == expected


def test_an_empty_agent_tells_nothing() -> None:
    assert parse_agent("") == Agent() == parse_agent("   ")


def test_an_agent_beyond_the_limit_is_cut_not_refused() -> None:
    assert parse_agent(CHROME_FROZEN + " " + "x" * 100_000) == parse_agent(CHROME_FROZEN)


def test_hints_tell_windows_11_from_windows_10() -> None:
    hints = {
        "sec-ch-ua": '"Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"',
        "sec-ch-ua-platform": '"Windows"',
        "sec-ch-ua-mobile": "?0",
    }
    assert parse_agent(CHROME_FROZEN, hints).os_version == "10"
    assert parse_agent(CHROME_FROZEN, hints | {"sec-ch-ua-platform-version": '"15.0.0"'}).os_version == "11"
    assert parse_agent(CHROME_FROZEN, hints | {"sec-ch-ua-platform-version": '"10.0.0"'}).os_version == "10"


def test_hints_name_a_browser_that_hides_behind_chrome() -> None:
    hints = {"sec-ch-ua": '"Brave";v="131", "Chromium";v="131"', "sec-ch-ua-platform": '"Windows"'}
    assert parse_agent(CHROME_FROZEN, hints).browser == "Brave"


def test_headers_that_are_no_hints_change_nothing() -> None:
    assert parse_agent(CHROME_FROZEN, {"accept": "*/*", "cookie": "a=b"}) == parse_agent(CHROME_FROZEN)


def test_hints_of_nonsense_do_no_harm() -> None:
    hints = dict.fromkeys(("sec-ch-ua", "sec-ch-ua-platform", "sec-ch-ua-platform-version"), '";;"v=?1\x00' * 50)
    assert parse_agent(CHROME_FROZEN, hints).browser == "Chrome"


def test_a_web_view_is_an_app_without_a_version() -> None:
    found = parse_agent(
        "Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0"
        " Chrome/120.0.6099.43 Mobile Safari/537.36"
    )
    assert (found.browser, found.browser_version, found.device) == (MOBILE_APP, "", "Mobile")


def test_a_plug_in_for_pages_makes_no_other_browser() -> None:
    agent = parse_agent(
        "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; WOW64; Trident/5.0; chromeframe/19.0.1084.52)"
    )
    assert (agent.browser, agent.browser_version, agent.os) == ("Internet Explorer", "9.0", "Windows")

"""Hash chains, and notices named by the hash of their canonical form."""

from __future__ import annotations

from typing import Any

import pytest

from webmon.domain.chain import Anchor, Link, canonical, link, verify
from webmon.domain.notice import default_body, hash_of, make_notice, text_keys
from webmon.errors import InvalidInput

COOKIE = {
    "name": "x_*",
    "purpose": "analytics",
    "description": "d",
    "lifetime": "1 day",
    "kind": "session",
    "party": "third",
}
SERVICE = {
    "key": "x",
    "purpose": "analytics",
    "name": "X",
    "provider": "X Inc.",
    "description": "d",
    "cookies": [COOKIE],
}


def chain(*bodies: str, after: Anchor | None = None) -> list[Link]:
    anchor = after or Anchor()
    links, previous = [], anchor.chain_hash
    for number, body in enumerate(bodies, start=anchor.seq + 1):
        previous = link(previous, body)
        links.append(Link(number, body, previous))
    return links


def test_an_honest_chain_holds_from_its_beginning_or_from_an_anchor() -> None:
    links = chain("a", "b", "c")
    assert verify(Anchor(), links).checked_count == 3
    assert verify(Anchor(), links).holds
    assert verify(Anchor(1, links[0].chain_hash), links[1:]).holds
    assert verify(Anchor(), []).holds


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda links: links[1:], 1),
        (lambda links: [links[0], *links[2:]], 2),
        (lambda links: [links[0], links[2], links[1]], 2),
        (lambda links: [links[0], Link(2, "B", links[1].chain_hash), links[2]], 2),
        (lambda links: [links[0], Link(2, "B", link(links[0].chain_hash, "B")), links[2]], 3),
        (lambda links: [*links, links[2]], 4),
    ],
    ids=["first gone", "one gone", "swapped", "reworded", "reworded and rehashed", "doubled"],
)
def test_the_first_entry_that_does_not_hold_is_named(change: Any, broken: int) -> None:
    verdict = verify(Anchor(), change(chain("a", "b", "c")))
    assert (verdict.holds, verdict.broken_seq) == (False, broken)


def test_a_text_has_one_canonical_form() -> None:
    assert canonical({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'
    assert canonical({"a": None, "b": [1, "ü"]}) == canonical({"b": [1, "ü"], "a": None})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


def test_a_notice_is_named_by_its_content_and_by_nothing_else() -> None:
    body = default_body("example.org", "en")
    notice = make_notice(body)
    assert notice.hash == hash_of(notice.text) == make_notice(dict(reversed(body.items()))).hash
    for key in text_keys():
        other = body | {"texts": body["texts"] | {key: body["texts"][key] + "."}}
        assert make_notice(other).hash != notice.hash, key


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schema": "other"}, "schema"),
        ({"language": "English"}, "language"),
        ({"direction": "up"}, "direction"),
        ({"layout": "wall"}, "layout"),
        ({"buttons": ["accept", "choose"]}, "buttons"),
        ({"buttons": ["accept", "accept", "reject"]}, "buttons"),
        ({"texts": {}}, "texts.title"),
        ({"texts": None}, "texts"),
        ({"purposes": []}, "purposes"),
        ({"purposes": [{"key": "x"}]}, "purposes"),
        ({"site": ""}, "site"),
        ({"position": "left"}, "position"),
        ({"services": None}, "services"),
        ({"services": [{"key": "x"}]}, "services"),
        ({"services": [SERVICE, SERVICE]}, "services"),
        ({"services": [SERVICE | {"key": "X Y"}]}, "services"),
        ({"services": [SERVICE | {"name": " "}]}, "services"),
        ({"services": [SERVICE | {"purpose": "unknown"}]}, "services"),
        ({"services": [SERVICE | {"description": "x" * 5000}]}, "services"),
        ({"services": [SERVICE | {"cookies": [COOKIE | {"kind": "for ever"}]}]}, "services"),
    ],
)
def test_a_notice_that_cannot_be_is_refused_by_part(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_notice(default_body("example.org", "en") | change)
    assert field in refused.value.errors

"""Two notices side by side, word by word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from webmon.domain.difference import compare, difference
from webmon.domain.notice import default_body


def marked(pieces: object) -> str:
    return "".join(f"[{one.text}]" if one.changed else one.text for one in pieces)  # type: ignore[attr-defined]


@given(st.text(), st.text())
def test_each_side_is_the_whole_text_and_what_is_unmarked_is_on_both(before: str, after: str) -> None:
    left, right = compare(before, after)
    assert "".join(one.text for one in left) == before
    assert "".join(one.text for one in right) == after
    assert "".join(one.text for one in left if not one.changed) == "".join(o.text for o in right if not o.changed)


def test_words_are_compared_and_not_letters() -> None:
    left, right = compare("We keep it for six months.", "We keep it for twelve months, at most.")
    assert marked(left) == "We keep it for [six] months."
    assert marked(right) == "We keep it for [twelve] months[, at most]."
    left, right = compare("訪問を計測します", "訪問を記録します")
    assert (marked(left), marked(right)) == ("訪問を[計測]します", "訪問を[記録]します")


def test_only_parts_that_differ_are_named_by_what_they_are() -> None:
    before = default_body("example.org", "en")
    after = default_body("example.org", "en") | {"layout": "box", "preselected": ["marketing"]}
    after["purposes"] = after["purposes"][:-1]
    after["services"][0]["cookies"][0]["lifetime"] = "1 year"
    named = {part.where: (marked(part.before), marked(part.after)) for part in difference(before, after)}
    assert named["layout"] == ("[bar]", "[box]")
    assert named["preselected"] == ("", "[marketing]")
    assert named["services.webmon.cookies.webmon_consent.lifetime"] == ("[6] [months]", "[1] [year]")
    assert named["purposes.marketing.required"] == ("[no]", "")
    assert difference(before, before) == ()

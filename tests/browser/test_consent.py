"""The question, the preference centre and what waits for them, on websites of all kinds, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.support.server import WebmonServer, request, wait_until
from tests.support.website import Website, page
from webmon.domain import symmetry
from webmon.domain.notice import default_body
from webmon.domain.theme import button_colours, button_size, default_theme

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("consent")]
Person = Callable[..., BrowserContext]
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
VIDEO = {
    "key": "video",
    "purpose": "marketing",
    "name": "Video player",
    "provider": "Video Ltd.",
    "description": "Shows films.",
    "cookies": [
        {
            "name": "vid_*",
            "purpose": "marketing",
            "description": "Remembers the volume.",
            "lifetime": "1 year",
            "kind": "persistent",
            "party": "third",
        }
    ],
}


@pytest.fixture(scope="module")
def webmon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("consent") / "data")
    server.run("site", "add", "localhost")
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def site(webmon: WebmonServer) -> Iterator[Website]:
    made = Website({"/": page(webmon.url)})
    yield made
    made.close()


Shown = Callable[..., Page]


@pytest.fixture
def shown(webmon: WebmonServer, site: Website) -> Shown:
    """Opens a website, `site` where none is given; the notice is as it is published but for what `change` says."""
    hint, first, code = request("GET", f"{webmon.url}/banner.js?site=localhost").body.decode().split("\n", 2)
    name, _, text = first.removesuffix(";").partition("=")
    published = json.loads(text)

    def open_page(context: BrowserContext, website: Website = site, **change: Any) -> Page:
        headers = {"Access-Control-Allow-Origin": "*"}
        changed = json.dumps(published | {"notice": published["notice"] | change})
        script = f"{hint}\n{name}={changed};\n{code}"
        context.route(
            "**/banner.js?*",
            lambda route: route.fulfill(body=script, content_type="text/javascript", headers=headers),
        )
        opened = context.new_page()
        opened.goto(f"{website.url}/")
        expect(opened.locator("[data-webmon=banner]")).to_be_visible()
        return opened

    return open_page


def faults(opened: Page, part: str = ".webmon") -> list[tuple[str, list[str]]]:
    """What axe finds wrong for WCAG 2.2 AA in webmon's part of the page, once it stands there as it stays."""
    opened.emulate_media(reduced_motion="reduce")
    opened.evaluate(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = opened.evaluate(
        """part => axe.run(part, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
        .then(found => found.violations)""",
        part,
    )
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("layout", ["bar", "box", "dialog"])
def test_anybody_can_use_it(person: Person, shown: Shown, scheme: str, direction: str, layout: str) -> None:
    where = {"bar": "top", "box": "bottom-start", "dialog": "center"}[layout]
    context = person(color_scheme=scheme, reduced_motion="reduce")
    opened = shown(context, direction=direction, layout=layout, position=where, services=[VIDEO])
    assert faults(opened) == []
    opened.locator("[data-webmon=choose]").click()
    opened.locator("[data-webmon=preferences] summary").first.click()
    assert faults(opened) == []
    small = opened.locator("[data-webmon=preferences]").evaluate(
        """box => [...box.shadowRoot.querySelectorAll('button,a,input,summary')]
        .filter(one => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height) < 24)
        .map(one => one.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize(
    ("layout", "position", "edge"),
    [
        ("bar", "bottom", "bottom"),
        ("bar", "top", "top"),
        ("box", "bottom-start", "left"),
        ("box", "bottom-end", "right"),
    ],
)
def test_it_stands_where_the_notice_says(person: Person, shown: Shown, layout: str, position: str, edge: str) -> None:
    opened = shown(person(reduced_motion="reduce"), layout=layout, position=position)
    gap = opened.locator("[data-webmon=banner]").evaluate(
        """(box, edge) => { const r = box.getBoundingClientRect(); return {left: r.left, top: r.top,
        right: document.documentElement.clientWidth - r.right, bottom: innerHeight - r.bottom}[edge]; }""",
        edge,
    )
    assert 0 <= gap <= 20


@pytest.mark.parametrize(("layout", "position"), [("bar", "bottom"), ("bar", "top"), ("box", "bottom-end")])
def test_a_question_beside_the_page_is_answered_with_the_keyboard_alone(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer, layout: str, position: str
) -> None:
    site.pages["/"] = page(webmon.url, '<a href="#x">A link</a>')
    context = person()
    opened = shown(context, layout=layout, position=position)
    at = "document.activeElement.shadowRoot?.activeElement?.dataset.webmon ?? document.activeElement.tagName"

    def tab_to(hook: str) -> None:
        for _ in range(8):
            opened.keyboard.press("Tab")
            if opened.evaluate(at) == hook:
                return
        raise AssertionError(f"the keyboard does not reach {hook}")

    tab_to("A")
    tab_to("reject")
    tab_to("accept")
    tab_to("choose")
    opened.keyboard.press("Enter")
    expect(opened.locator("[data-webmon=preferences]")).to_be_focused()
    opened.keyboard.press("Escape")
    expect(opened.locator("[data-webmon=banner]")).to_be_focused()
    assert opened.evaluate(at) == "choose", "back where it was"
    assert context.cookies() == []
    tab_to("reject")
    opened.keyboard.press("Enter")
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    assert "analytics:0" in context.cookies()[0]["value"]


def test_a_dialog_keeps_the_keyboard_and_escape_is_no_answer(person: Person, shown: Shown) -> None:
    context = person()
    opened = shown(context, layout="dialog", position="center")
    for _ in range(7):
        opened.keyboard.press("Tab")
        assert opened.evaluate("!!document.activeElement.closest('[data-webmon=banner]')")
    opened.keyboard.press("Escape")
    expect(opened.locator("[data-webmon=banner]")).to_be_visible()
    assert context.cookies() == []
    opened.locator("[data-webmon=reject]").focus()
    opened.keyboard.press("Enter")
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)


def test_each_purpose_shows_its_services_and_their_cookies(person: Person, shown: Shown) -> None:
    opened = shown(person(), services=[VIDEO])
    opened.locator("[data-webmon=choose]").click()
    row = opened.locator("[data-webmon=preferences] li", has_text="Marketing")
    row.locator("summary").click()
    for text in ("Video player", "Video Ltd.", "vid_*", "Remembers the volume.", "1 year", "another company"):
        expect(row).to_contain_text(text)


HOSTILE = """
div, .webmon, [data-webmon] { display: none !important; position: static !important; opacity: 0.1 !important;
  transform: scale(0.1) !important; width: 20px !important; font-size: 4px !important; z-index: -1 !important;
  animation: away 1s infinite !important; pointer-events: none !important; }
button, [data-webmon=reject] { display: none !important; width: 9px !important; color: #eee !important;
  background: #fff !important; font-size: 5px !important; }
[data-webmon=accept] { background: #0a0 !important; font-size: 60px !important; }
.webmon { --webmon-size: 0.2; --w: red; color: red; }
@keyframes away { to { translate: -5000px 0; visibility: hidden } }
"""
LOOK = """one => { const s = getComputedStyle(one), r = one.getBoundingClientRect();
    return {width: Math.round(r.width), height: Math.round(r.height), color: s.color, background: s.backgroundColor,
            border: s.borderColor, size: s.fontSize, weight: s.fontWeight, shown: one.checkVisibility()}; }"""


def looks(opened: Page) -> dict[str, Any]:
    """What is seen of the three answers."""
    names = ("reject", "accept", "choose")
    return {name: opened.locator(f"[data-webmon={name}]").evaluate(LOOK) for name in names}


@pytest.mark.parametrize("layout", ["bar", "box", "dialog"])
def test_a_website_s_style_does_not_change_what_was_checked(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer, layout: str
) -> None:
    where = {"bar": "bottom", "box": "bottom-end", "dialog": "center"}[layout]
    context = person(reduced_motion="reduce")
    plain = shown(context, layout=layout, position=where)
    expected = looks(plain), plain.locator("[data-webmon=banner]").bounding_box()
    plain.close()
    site.pages["/"] = page(webmon.url, f"<style>{HOSTILE}</style>")
    hostile = shown(context, layout=layout, position=where)
    assert (looks(hostile), hostile.locator("[data-webmon=banner]").bounding_box()) == expected
    hostile.locator("[data-webmon=choose]").click()
    expect(hostile.locator("[data-webmon=preferences]")).to_be_visible()
    hostile.locator("[data-webmon=reject]").click()
    expect(hostile.locator(".webmon")).to_have_count(0)


def test_a_website_gives_the_question_its_own_colours_by_custom_properties(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    theme = ".webmon { --webmon-accent: #112233; --webmon-background: #fffbe6; --webmon-radius: 0px }"
    site.pages["/"] = page(webmon.url, f"<style>{theme}</style>")
    opened = shown(person())
    found = looks(opened)
    assert found["accept"] | {"width": 0} == found["reject"] | {"width": 0} == found["choose"] | {"width": 0}
    assert found["accept"]["background"] == "rgb(17, 34, 51)"
    inside = opened.locator("[data-webmon=banner] .w")
    assert inside.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 251, 230)"


STYLED = {
    "reject": {"size": 150, "light": {"background": "#101010", "text": "#ffffff"}, "dark": {"background": "#ffffff"}},
    "choose": {"size": 60},
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_buttons_are_painted_as_they_were_checked(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer, scheme: str
) -> None:
    theme = default_theme() | {"buttons_style": STYLED}
    assert symmetry.failures(default_body("localhost", "en") | {"theme": theme}) == ()
    # Where buttons differ, a website's own colours would make another difference, which nobody has checked.
    site.pages["/"] = page(
        webmon.url, "<style>.webmon { --webmon-accent: red; --webmon-background: #101010 }</style>"
    )
    opened = shown(person(color_scheme=scheme, reduced_motion="reduce"), theme=theme)
    found = looks(opened)
    for name in ("reject", "accept", "choose"):
        painted = found[name]["background"], found[name]["color"]
        assert painted == tuple(map(rgb, button_colours(theme, name, scheme)))
        assert found[name]["size"] == f"{16 * button_size(theme, name) / 100:g}px"
        assert found[name]["border"] == found[name]["background"]
    assert found["reject"]["height"] >= found["accept"]["height"]
    assert found["choose"]["height"] >= 24
    behind = opened.locator("[data-webmon=banner] .w").evaluate("one => getComputedStyle(one).backgroundColor")
    assert behind == rgb(theme[scheme]["background"])


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def is_reached(opened: Page) -> None:
    """Each answer is on the screen, wherever the services are scrolled to."""
    for name in ("reject", "accept", "save"):
        expect(opened.locator(f"[data-webmon=preferences] [data-webmon={name}]")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ar-EG", "el-GR"])
@pytest.mark.parametrize("size", [(1280, 800), (320, 568)], ids=["desktop", "telephone"])
def test_the_answers_stay_in_reach_when_services_are_unfolded(
    person: Person, shown: Shown, size: tuple[int, int], locale: str
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    opened = shown(person(viewport=viewport, locale=locale, reduced_motion="reduce"))
    opened.locator("[data-webmon=choose]").click()
    summaries = opened.locator("[data-webmon=preferences] summary")
    for one in summaries.all():
        one.click()
    inside = opened.locator("[data-webmon=preferences] .w")
    assert inside.evaluate("one => one.scrollHeight > one.clientHeight"), "there is something to scroll"
    for share in (0, 0.5, 1):
        inside.evaluate("(one, share) => one.scrollTo(0, share * one.scrollHeight)", share)
        is_reached(opened)
    # What has the focus is not behind the answers (WCAG 2.2, 2.4.11).
    covered = opened.locator("[data-webmon=preferences]").evaluate(
        """host => { const root = host.shadowRoot, found = [];
        for (const one of root.querySelectorAll("summary,input")) {
          one.focus(); const r = one.getBoundingClientRect();
          const seen = root.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
          if (seen !== one && !one.contains(seen)) found.push(one.outerHTML); }
        return found; }"""
    )
    assert covered == []


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ar-EG"])
@pytest.mark.parametrize("size", [(1280, 720), (390, 844), (320, 568), (320, 256)], ids=str)
def test_everything_is_reached_with_the_keyboard_and_nothing_is_behind_the_answers(
    person: Person, shown: Shown, size: tuple[int, int], locale: str
) -> None:
    context = person(viewport={"width": size[0], "height": size[1]}, locale=locale, reduced_motion="reduce")
    opened = shown(context)
    opened.locator("[data-webmon=accept]").click()
    opened.wait_for_function("webmon.consent.get().version")
    opened.evaluate("webmon.consent.show()")
    box = opened.locator("[data-webmon=preferences]")
    expect(box.locator("[data-webmon=withdraw]")).to_be_attached()
    if size == (1280, 720):
        for name in ("held", "withdraw", "close"):
            expect(box.locator(f"[data-webmon={name}]")).to_be_in_viewport(ratio=1)
    count = box.evaluate("host => host.shadowRoot.querySelectorAll('button,input:not([type=hidden]),summary').length")
    reached = set()
    for _ in range(count):
        opened.keyboard.press("Tab")
        name, whole = box.evaluate(
            """host => { const root = host.shadowRoot, one = root.activeElement, r = one.getBoundingClientRect();
            const seen = [r.top + 1, r.bottom - 1].map(y => root.elementFromPoint(r.left + r.width / 2, y));
            return [one.dataset.webmon || one.name, seen.every(found => found === one || one.contains(found))]; }"""
        )
        assert whole, name
        reached.add(name)
    assert reached >= {"reject", "accept", "save", "held", "withdraw", "_erase", "close", "_session"}


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ar-EG", "fi-FI"])
@pytest.mark.parametrize("width", [1280, 768, 414, 390, 360, 320])
def test_the_answers_are_alike_and_none_stands_apart(person: Person, shown: Shown, width: int, locale: str) -> None:
    opened = shown(person(viewport={"width": width, "height": 800}, locale=locale, reduced_motion="reduce"))

    def are_alike(hook: str) -> None:
        places = opened.locator(f"[data-webmon={hook}] .bs button").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect()).map(r => [r.x, r.y, r.width, r.height])"
        )
        assert len(places) == 3
        assert len({(round(one[2]), round(one[3])) for one in places}) == 1, places
        assert 1 in (len({round(one[0]) for one in places}), len({round(one[1]) for one in places})), places

    are_alike("banner")
    opened.locator("[data-webmon=choose]").click()
    are_alike("preferences")


def test_a_name_of_the_other_direction_reads_as_it_is(person: Person, shown: Shown) -> None:
    opened = shown(person(locale="ar-EG"), services=[VIDEO])
    opened.locator("[data-webmon=choose]").click()
    opened.locator("[data-webmon=preferences] summary").last.click()
    first, last = opened.locator("[data-webmon=preferences] dd", has_text="vid_*").evaluate(
        """one => [0, 4].map(at => { const range = document.createRange();
        range.setStart(one.firstChild, at); range.setEnd(one.firstChild, at + 1);
        return range.getBoundingClientRect().left; })"""
    )
    assert first < last, "the star is at its end"


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ar-EG", "fi-FI"])
@pytest.mark.parametrize("layout", ["bar", "box", "dialog"])
def test_it_reflows_at_four_times_the_size(person: Person, shown: Shown, layout: str, locale: str) -> None:
    # WCAG 1.4.10: 1280 by 1024 at 400 %.
    where = {"bar": "bottom", "box": "bottom-end", "dialog": "center"}[layout]
    context = person(viewport={"width": 320, "height": 256}, locale=locale, reduced_motion="reduce")
    opened = shown(context, layout=layout, position=where, services=[VIDEO])

    def is_whole(hook: str, *names: str) -> None:
        inside = opened.locator(f"[data-webmon={hook}] .w")
        assert inside.evaluate("one => one.scrollWidth <= one.clientWidth"), "nothing is cut at the side"
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for name in names:
            control = opened.locator(f"[data-webmon={hook}] [data-webmon={name}]")
            control.scroll_into_view_if_needed()
            expect(control).to_be_in_viewport(ratio=0.99)  # but for fractions of a pixel

    is_whole("banner", "accept", "reject", "choose")
    opened.locator("[data-webmon=choose]").click()
    opened.locator("[data-webmon=preferences] summary").first.click()
    is_whole("preferences", "reject", "accept", "save", "close")


def test_what_is_said_of_a_cookie_is_a_list_of_names_and_values(person: Person, shown: Shown) -> None:
    opened = shown(person(), services=[VIDEO])
    opened.locator("[data-webmon=choose]").click()
    row = opened.locator("[data-webmon=preferences] li", has_text="Marketing")
    row.locator("summary").click()
    said = row.locator("dl > *").all_inner_texts()
    assert said == [
        *("Provider", "Video Ltd."),
        *("Cookie", "vid_*", "Remembers the volume."),
        *("Kept for", "1 year"),
        *("Set by", "another company"),
    ]


WAITING = """
<script type="text/plain" data-category="marketing" data-src="/one.js"></script>
<script type="text/plain" data-category="marketing">ran.push("two"); document.cookie = "vid_id=1;path=/";
document.cookie = "other=1;path=/"; localStorage.vid_volume = "3"; localStorage.other = "1"</script>
<script type="text/plain" data-category="analytics">ran.push("never")</script>
<img data-category="marketing" data-src="/picture.png" alt="A picture" title="A picture">
"""


def test_what_waits_runs_in_its_order_and_withdrawal_clears_what_is_listed(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, f"<script>ran = []</script>{WAITING}")
    site.pages |= {"/one.js": "ran.push('one')", "/picture.png": "no picture, but an answer"}
    context = person()
    opened = shown(context, services=[VIDEO])
    assert opened.evaluate("ran") == []
    assert not any(path.startswith(("/one.js", "/picture")) for path, _ in site.asked)
    expect(opened.get_by_role("group", name="A picture")).to_be_visible()
    opened.locator("[data-webmon=choose]").click()
    opened.get_by_label("Marketing and embedded media").check()
    opened.locator("[data-webmon=save]").click()
    opened.wait_for_function("ran.length == 2")
    assert opened.evaluate("ran") == ["one", "two"]
    # What comes later waits in the same way.
    opened.evaluate(
        """() => { const late = document.createElement('script'); late.type = 'text/plain';
        late.dataset.category = 'marketing'; late.text = 'ran.push("three")'; document.body.append(late) }"""
    )
    opened.wait_for_function("ran.length == 3")

    with opened.expect_navigation():  # a script that has run is undone by a new page only
        opened.evaluate("void webmon.consent.withdraw()")
    names = {one.get("name") for one in context.cookies(site.url)}
    assert "other" in names
    assert "vid_id" not in names
    assert opened.evaluate("Object.keys(localStorage)") == ["other"]
    assert opened.evaluate("ran") == []


LATE = """([text, source]) => {
  const script = document.createElement("script"), frame = document.createElement("iframe");
  for (const one of [script, frame]) one.dataset.category = "marketing";
  Object.assign(script, {type: "text/plain", text});
  frame.dataset.src = source; frame.title = "A film"; document.body.append(frame, script) }"""


def holding(context: BrowserContext, address: str) -> list[Route]:
    """Requests for the address, which wait for an answer from the test."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    context.route(address, hold)
    return held


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_what_comes_later_waits_for_whoever_returns_where_the_tag_says_so(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer, answer: str
) -> None:
    site.pages |= {"/": page(webmon.url, "<script>ran = []</script>", extra="data-category"), "/film": "A film"}
    context = person()
    opened = shown(context)
    opened.locator(f"[data-webmon=banner] [data-webmon={answer}]").click()
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    with opened.expect_response("**/gate.*.js"):
        opened.goto(site.url)
    gate = opened.get_by_role("group", name="A film")
    for count in (1, 2):  # what comes the second time comes after all that the page does at its start
        opened.evaluate(LATE, ["ran.push(1)", f"{site.url}/film"])
        if answer == "accept":
            opened.wait_for_function(f"ran.length == {count}")
            expect(opened.frame_locator("iframe >> nth=-1").locator("body")).to_have_text("A film")
            expect(gate).to_have_count(0)
        else:
            expect(gate).to_have_count(count)
            expect(gate.last).to_be_visible()
            assert opened.evaluate("ran") == []
            assert opened.locator("iframe[src]").count() == 0
    # The tag itself stays what it is.
    assert opened.locator("script[data-site]").count() == 1


def test_what_comes_while_a_script_loads_does_not_overtake(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, f"<script>ran = []</script>{WAITING}")
    site.pages |= {"/picture.png": "no picture, but an answer", "/film": "A film"}
    context = person()
    held = holding(context, "**/one.js")
    opened = shown(context)
    opened.locator("[data-webmon=accept]").click()
    wait_until(lambda: opened.wait_for_timeout(20) or held, 10, "the first script is asked for")
    opened.evaluate(LATE, ["ran.push('late')", f"{site.url}/film"])
    # What is no script has not to wait for one.
    expect(opened.frame_locator("iframe").locator("body")).to_have_text("A film")
    assert opened.evaluate("ran") == []
    held[0].fulfill(body="ran.push('one')", content_type="text/javascript")
    opened.wait_for_function("ran.length == 4")
    assert opened.evaluate("ran") == ["one", "two", "never", "late"]


def test_a_script_that_waits_for_another_does_not_run_once_it_is_withdrawn_or_taken_out(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    first = '<script type="text/plain" data-category="functional" data-src="/one.js"></script>'
    out = '<script id="out" type="text/plain" data-category="functional" data-src="/out.js"></script>'
    last = '<script type="text/plain" data-category="functional">ran.push("last")</script>'
    site.pages["/"] = page(webmon.url, f"<script>ran = []</script>{first}{out}{WAITING}{last}")
    site.pages["/picture.png"] = "no picture, but an answer"
    context = person()
    held = holding(context, "**/one.js")
    opened = shown(context)
    opened.locator("[data-webmon=accept]").click()
    wait_until(lambda: opened.wait_for_timeout(20) or held, 10, "the first script is asked for")
    opened.evaluate("document.getElementById('out').remove()")
    opened.evaluate("void webmon.consent.show()")
    opened.get_by_label("Marketing and embedded media").uncheck()
    opened.get_by_label("Measurement").uncheck()
    opened.locator("[data-webmon=save]").click()
    opened.wait_for_function("webmon.consent.get().marketing === false")
    held[0].fulfill(body="ran.push('one')", content_type="text/javascript")
    opened.wait_for_function("ran.length == 2")
    assert opened.evaluate("ran") == ["one", "last"]


@pytest.mark.parametrize("hook", ["load", "always"])
@pytest.mark.parametrize("element", ["iframe", "img"])
def test_the_focus_goes_on_from_a_placeholder_to_what_it_stood_for(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer, element: str, hook: str
) -> None:
    waiting = f'<{element} data-category="marketing" data-src="/film" title="A film"></{element}>'
    site.pages |= {"/": page(webmon.url, waiting), "/film": "A film"}
    opened = shown(person())
    button = opened.get_by_role("group", name="A film").locator(f"[data-webmon={hook}]")
    button.focus()
    opened.keyboard.press("Enter")
    expect(button).to_have_count(0)
    expect(opened.locator(element)).to_be_focused()


def test_always_allow_is_an_answer_for_its_purpose_alone_and_says_where_it_was_given(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    waiting = '<iframe data-category="marketing" data-src="/film" title="A film"></iframe>'
    site.pages |= {"/": page(webmon.url, waiting), "/film": "A film"}
    opened = shown(person())
    expect(opened.locator("[data-webmon=banner]")).to_have_count(1)
    with opened.expect_response(lambda one: one.url.endswith("/api/consent")) as answer:
        opened.get_by_role("group", name="A film").locator("[data-webmon=always]").click()
    assert answer.value.status == 201
    receipt = answer.value.json()
    assert (receipt["action"], receipt["collection_method"]) == ("custom", "placeholder")
    assert receipt["decisions"] == {"analytics": False, "functional": False, "marketing": True}
    expect(opened.frame_locator("iframe").locator("body")).to_have_text("A film")
    # It was not asked about the others, and is not asked again.
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    assert {one["name"] for one in opened.context.cookies()} == {"webmon_consent"}
    # What is allowed already stays so.
    opened.evaluate("void webmon.consent.show()")
    opened.get_by_label("Measurement").check()
    opened.get_by_label("Marketing and embedded media").uncheck()
    opened.locator("[data-webmon=save]").click()
    opened.wait_for_function("webmon.consent.get().analytics === true")
    opened.reload()
    with opened.expect_response(lambda one: one.url.endswith("/api/consent")) as answer:
        opened.get_by_role("group", name="A film").locator("[data-webmon=always]").click()
    assert answer.value.json()["decisions"] == {"analytics": True, "functional": False, "marketing": True}


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_the_question_is_shown_and_answered_where_a_page_may_keep_nothing(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer, answer: str
) -> None:
    """In a sandboxed frame even reading a cookie throws."""
    site.pages["/inner"] = page(webmon.url)
    site.pages["/"] = '<!doctype html><title>Outer</title><iframe sandbox="allow-scripts" src="/inner"></iframe>'
    context = person()
    opened = context.new_page()
    opened.goto(site.url)
    frame = opened.frame_locator("iframe")
    expect(frame.locator("[data-webmon=banner]")).to_be_visible()
    frame.locator(f"[data-webmon={answer}]").click()
    expect(frame.locator("[data-webmon=banner]")).to_have_count(0)
    assert context.cookies() == []


def test_load_once_decides_nothing(person: Person, shown: Shown, site: Website, webmon: WebmonServer) -> None:
    waiting = '<iframe data-category="marketing" data-src="/film" title="A film"></iframe>'
    site.pages |= {"/": page(webmon.url, waiting), "/film": "A film"}
    opened = shown(person())
    opened.get_by_role("group", name="A film").locator("[data-webmon=load]").click()
    expect(opened.frame_locator("iframe").locator("body")).to_have_text("A film")
    expect(opened.locator("[data-webmon=banner]")).to_have_count(1)
    assert opened.context.cookies() == []


def test_cookies_that_only_a_secure_page_may_set_go_as_well(person: Person, shown: Shown) -> None:
    cookie = VIDEO["cookies"][0]
    listed = [cookie | {"name": name} for name in ("__Secure-vid", "__Host-vid", "vid_*")]
    context = person()
    opened = shown(context, services=[VIDEO | {"cookies": listed}])
    opened.locator("[data-webmon=accept]").click()
    opened.wait_for_function("webmon.consent.get().version")
    for name in ("__Secure-vid", "__Host-vid", "vid_a"):
        opened.evaluate("name => { document.cookie = `${name}=1;path=/;secure` }", name)
    assert {"__Secure-vid", "__Host-vid", "vid_a"} <= {one["name"] for one in context.cookies()}
    opened.evaluate("webmon.consent.withdraw()")
    wait_until(lambda: len(context.cookies()) == 1, 10, "only the choice is left", context.cookies)


def test_a_frame_or_picture_that_consent_had_opened_goes_when_it_is_taken_back(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    waiting = '<iframe data-category="marketing" data-src="/film" title="A film"></iframe>'
    picture = '<img data-category="marketing" data-src="/picture" alt="A picture">'
    once = '<iframe data-category="functional" data-src="/map" title="A map"></iframe>'
    runs = "<script>parent.running = document; setInterval(() => (parent.ticks = (parent.ticks | 0) + 1), 9)</script>"
    site.pages |= {"/film": f"A film{runs}", "/map": "A map", "/picture": ""}
    site.pages["/"] = page(webmon.url, once + waiting + picture)
    opened = shown(person())
    opened.get_by_role("group", name="A map").locator("[data-webmon=load]").click()
    opened.locator("[data-webmon=accept]").click()
    opened.wait_for_function("window.ticks > 1")
    opened.evaluate("window.same = true; webmon.consent.show()")
    opened.get_by_label("Marketing and embedded media").uncheck()
    opened.locator("[data-webmon=save]").click()
    expect(opened.get_by_role("group", name="A film")).to_be_visible()
    expect(opened.locator(".webmon-gate")).to_have_count(2)
    assert opened.evaluate("window.same") is True
    assert opened.evaluate("running.defaultView") is None, "what ran in the frame is gone"
    assert opened.locator("[data-category=marketing]").evaluate_all("all => all.map(one => one.src)") == ["", ""]
    expect(opened.frame_locator("[title='A map']").locator("body")).to_have_text("A map")
    opened.get_by_role("group", name="A film").locator("[data-webmon=always]").click()
    expect(opened.frame_locator("[title='A film']").locator("body")).to_have_text("A film")
    expect(opened.locator(".webmon-gate")).to_have_count(0)
    opened.evaluate("webmon.consent.withdraw()")
    expect(opened.locator(".webmon-gate")).to_have_count(2)


def test_placeholders_that_follow_each_other_do_not_touch(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    frame = '<iframe data-category="marketing" data-src="/empty.html" title="A film"></iframe>'
    site.pages["/"] = page(webmon.url, frame + frame)
    opened = shown(person())
    expect(opened.locator(".webmon-gate")).to_have_count(2)
    upper, lower = (one.bounding_box() for one in opened.locator(".webmon-gate").all())
    assert upper
    assert lower
    assert lower["y"] - upper["y"] - upper["height"] >= 12


def test_without_a_script_that_has_run_withdrawal_does_not_load_the_page_again(person: Person, shown: Shown) -> None:
    opened = shown(person())
    opened.locator("[data-webmon=accept]").click()
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    opened.evaluate("window.same = true")
    opened.evaluate("webmon.consent.withdraw()")
    opened.wait_for_function("webmon.consent.get().analytics === false")
    assert opened.evaluate("window.same") is True


# Google Consent Mode

GOOGLE = (
    '<script src="{webmon}/consent-mode.js"></script>'
    "<script>window.dataLayer = window.dataLayer || []; function gtag() {{ dataLayer.push(arguments) }}"
    " gtag('js', new Date()); gtag('config', 'G-X')</script>"
)
STORAGES = ("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage")


def layer(opened: Page) -> list[list[Any]]:
    found: list[list[Any]] = opened.evaluate("dataLayer.map(one => [...one])")
    return found


def test_google_s_tags_find_everything_denied_and_hear_of_a_grant_only_when_it_is_given(
    person: Person, shown: Shown, site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = GOOGLE.format(webmon=webmon.url) + page(webmon.url)
    context = person()
    opened = shown(context)
    first = layer(opened)[0]
    assert first[:2] == ["consent", "default"]
    assert {first[2][name] for name in STORAGES} == {"denied"}

    opened.locator("[data-webmon=reject]").click()
    opened.wait_for_function("webmon.consent.get().decided")
    assert "granted" not in str(layer(opened))
    opened.reload()
    assert "granted" not in str(layer(opened))

    opened.wait_for_function("window.webmon?.consent")
    opened.evaluate("webmon.consent.show()")
    opened.get_by_label("Measurement").check()
    opened.locator("[data-webmon=save]").click()
    opened.wait_for_function("dataLayer.some(one => one[1] == 'update' && one[2].analytics_storage == 'granted')")
    update = layer(opened)[-1]
    assert [update[2][name] for name in STORAGES] == ["denied", "denied", "denied", "granted"]

    opened.reload()
    said = [one for one in layer(opened) if one[0] == "consent"]
    assert [one[1] for one in said] == ["default", "update"]
    assert said[1][2]["analytics_storage"] == "granted"


def test_under_a_strict_policy_with_trusted_types_all_of_it_works(
    person: Person, shown: Shown, webmon: WebmonServer
) -> None:
    policy = (
        f"default-src 'none'; script-src 'self' {webmon.url}; connect-src {webmon.url}; style-src 'self'; "
        "img-src 'self'; require-trusted-types-for 'script'; trusted-types webmon-gate"
    )
    waiting = '<script type="text/plain" data-category="marketing" data-src="/one.js"></script>'
    pages = {"/": page(webmon.url, waiting), "/one.js": "window.one = true"}
    site = Website(pages, {"Content-Security-Policy": policy})
    try:
        opened = shown(person(), site, services=[VIDEO])  # whose console fails the test with any violation
        opened.locator("[data-webmon=choose]").click()
        opened.locator("[data-webmon=preferences] summary").first.click()
        opened.locator("[data-webmon=accept]").click()
        wait_until(lambda: opened.evaluate("window.one === true"), 10, "the script that waited has run")
    finally:
        site.close()


def test_a_website_that_allows_no_policy_for_scripts_has_the_question_and_its_frames_all_the_same(
    browser: Browser, shown: Shown, webmon: WebmonServer
) -> None:
    waiting = '<script type="text/plain" data-category="marketing" data-src="/one.js"></script>'
    frame = '<iframe data-category="marketing" data-src="/film" title="A film"></iframe>'
    pages = {"/": page(webmon.url, frame + waiting), "/one.js": "window.one = true", "/film": "A film"}
    policy = "require-trusted-types-for 'script'; trusted-types 'none'"
    site = Website(pages, {"Content-Security-Policy": policy})
    context = browser.new_context(locale="en-GB")
    said: list[str] = []
    context.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    thrown: list[str] = []
    context.on("weberror", lambda one: thrown.append(str(one.error)))
    try:
        opened = shown(context, site)
        assert said == [], "nothing is tried before a script may run"
        opened.locator("[data-webmon=accept]").click()
        expect(opened.frame_locator("iframe").locator("body")).to_have_text("A film")
        wait_until(lambda: said, 10, "the browser says why the script does not run")
        assert "webmon-gate" in said[0]
        assert opened.evaluate("window.one") is None
        assert thrown == []
    finally:
        context.close()
        site.close()

"""`webmon import access-log` on a real server's log: the figures equal a plain count over the lines that it kept."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import WebmonServer, contents

LOG = Path(__file__).resolve().parent.parent / "data" / "access.log"
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
LINE = re.compile(
    r"^(?P<address>\S+) \S+ \S+ "
    r"\[(?P<day>\d\d)/(?P<month>\w{3})/(?P<year>\d{4}):(?P<time>[\d:]+) (?P<zone>[+-]\d{4})\] "
    r'"(?P<method>\S+) (?P<target>\S+) [^"]*" (?P<status>\d+) \S+ "[^"]*" "(?P<agent>[^"]*)"'
)


class Imported:
    def __init__(self, folder: Path) -> None:
        self.server = WebmonServer(folder / "data")
        self.server.run("site", "add", "example.org")
        self.kept_file = folder / "kept.txt"
        self.report = self.read("--kept-lines", str(self.kept_file))
        lines = LOG.read_text("utf-8", "replace").splitlines()
        self.kept = [lines[int(number) - 1] for number in self.kept_file.read_text().split()]

    def read(self, *options: str) -> dict[str, Any]:
        done = self.server.run("import", "access-log", str(LOG), "--site", "example.org", "--json", *options)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    made = Imported(tmp_path_factory.mktemp("import"))
    yield made
    if made.server.process is not None:
        made.server.stop()


def test_every_line_is_accounted_for(imported: Imported) -> None:
    report = imported.report
    assert report["lines"] == len(LOG.read_bytes().splitlines()) == 10_000
    assert report["kept"] + sum(report["skipped"].values()) + report["malformed"]["count"] == report["lines"]
    assert report["stored"] == report["kept"] == len(imported.kept) > 1000
    assert report["malformed"] == {"count": 1, "lines": [8899]}


def test_what_was_kept_is_pages_that_a_browser_was_given(imported: Imported) -> None:
    for line in imported.kept:
        found = LINE.match(line)
        assert found, line
        assert found["method"] == "GET"
        assert found["status"] in {"200", "304"}
        assert "bot" not in found["agent"].lower()
        assert not re.search(r"\.(?:png|jpe?g|gif|css|js|ico|xml|rss|txt|pdf)(?:\?|$)", found["target"]), line


def test_the_same_file_again_changes_nothing(imported: Imported) -> None:
    again = imported.read()
    assert (again["stored"], again["already_there"]) == (0, imported.report["kept"])


def test_no_address_and_no_user_agent_of_the_file_is_in_any_file_written(imported: Imported) -> None:
    text = LOG.read_text("utf-8", "replace")
    addresses = {line.split(" ", 1)[0] for line in text.splitlines()}
    agents = {found["agent"] for found in map(LINE.match, text.splitlines()) if found and len(found["agent"]) > 20}
    written = contents(imported.server.folder).values()
    # Whole numbers only: 1.2.3.4 is no finding in 11.2.3.45.
    pattern = re.compile(rb"(?<![\d.])(?:" + b"|".join(re.escape(one.encode()) for one in addresses) + rb")(?![\d.])")
    assert [found for body in written if (found := pattern.search(body))] == []
    assert [agent for agent in agents for body in written if agent.encode() in body] == []


def test_figures_equal_a_plain_count_over_the_kept_lines(imported: Imported) -> None:
    views: Counter[str] = Counter()
    visitors: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    pages: Counter[str] = Counter()
    for line in imported.kept:
        found = LINE.match(line)
        assert found
        assert found["zone"] == "+0000", "days can be counted by the text alone"
        month = MONTHS.index(found["month"]) // 3 + 1
        day = f"{found['year']}-{month:02}-{found['day']}"
        views[day] += 1
        visitors[day].add((found["address"], found["agent"]))
        pages[found["target"].split("?")[0]] += 1

    server = imported.server
    key = server.last_line("key", "add", "--site", "example.org", "--scope", "stats")
    server.start()
    span = [min(views), max(views)]
    by_day = server.query(
        key, site_id="example.org", metrics=["pageviews", "visitors"], date_range=span, dimensions=["time:day"]
    )
    counted = {row["dimensions"][0][:10]: row["metrics"] for row in by_day["results"]}
    assert counted == {day: [views[day], len(visitors[day])] for day in views}

    top = server.query(
        key,
        site_id="example.org",
        metrics=["pageviews"],
        date_range=span,
        dimensions=["event:page"],
        pagination={"limit": 1000},
    )
    shown = {row["dimensions"][0]: row["metrics"][0] for row in top["results"]}
    plain = Counter({path: count for path, count in pages.items() if path in shown})
    assert plain.most_common(10) == Counter(shown).most_common(10)
    assert sum(shown.values()) == sum(views.values())


def test_with_a_running_server_it_is_the_same(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    server.start()
    try:
        done = server.run("import", "access-log", str(LOG), "--site", "example.org", "--json")
        first = json.loads(done.stdout)
        again = json.loads(server.run("import", "access-log", str(LOG), "--site", "example.org", "--json").stdout)
    finally:
        server.stop()
    assert first["stored"] == first["kept"] > 1000
    assert again["stored"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "access-log", "missing.log", "--site", "example.org"], "does not exist"),
        (["import", "access-log", str(LOG), "--site", "unknown.example"], "unknown.example"),
        (["import", "access-log", str(LOG)], "--site"),
    ],
)
def test_what_cannot_be_read_is_said_so(imported: Imported, arguments: list[str], said: str) -> None:
    done = imported.server.run(*arguments, check=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_lines_that_are_none_are_counted_and_the_others_kept(tmp_path: Path) -> None:
    good = LOG.read_text("utf-8", "replace").splitlines()[3]
    early = PAGE_LINE.replace("17/May/2015", "01/Jan/0001")
    odd = ["", early, "nonsense", "\x00\x01\x02", good.replace("GET", "G" * 70_000), good.split('"')[0], "é" * 100]
    file = tmp_path / "odd.log"
    file.write_bytes(
        "\n".join([*odd[:4], PAGE_LINE, *odd[4:], PAGE_LINE.replace("/page", "/other")]).encode() + b"\n\xff\xfe\n"
    )
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    report = json.loads(server.run("import", "access-log", str(file), "--site", "example.org", "--json").stdout)
    assert report["kept"] == report["stored"] == 2
    assert report["malformed"]["count"] == 8


PAGE_LINE = (
    '198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET /page HTTP/1.1" 200 1024 "-" '
    '"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"'
)


def test_rows_that_the_rules_would_delete_soon_are_said_so(imported: Imported) -> None:
    done = imported.server.run("import", "access-log", str(LOG), "--site", "example.org")
    assert f"{imported.report['kept']} rows of example.org are older than its rule" in done.stderr
    assert "P25M" in done.stderr


def test_spam_and_data_centres_are_left_out_as_they_are_of_hits(tmp_path: Path) -> None:
    (tmp_path / "spam.txt").write_text("spam.example\n", "utf-8")
    (tmp_path / "centres.txt").write_text("203.0.113.0/24\n", "utf-8")
    file = tmp_path / "access.log"
    file.write_text(
        "\n".join(
            [
                PAGE_LINE,
                PAGE_LINE.replace('"-"', '"https://www.spam.example/x"'),
                PAGE_LINE.replace("198.51.100.7", "203.0.113.9"),
            ]
        ),
        "utf-8",
    )
    server = WebmonServer(
        tmp_path / "data",
        WEBMON_SPAM_REFERRERS_FILE=str(tmp_path / "spam.txt"),
        WEBMON_DATACENTER_FILE=str(tmp_path / "centres.txt"),
    )
    server.run("site", "add", "example.org")
    report = json.loads(server.run("import", "access-log", str(file), "--site", "example.org", "--json").stdout)
    assert report["stored"] == 1
    assert report["skipped"] == {"datacenter": 1, "spam_referrer": 1}


def test_numbers_that_cannot_be_written_are_said_before_anything_is_read(imported: Imported, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "kept.txt"
    arguments = ["import", "access-log", str(LOG), "--site", "example.org", "--kept-lines", str(nowhere)]
    done = imported.server.run(*arguments, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == f"Error: {nowhere} cannot be written: No such file or directory"

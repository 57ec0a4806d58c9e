"""The other commands: what they print, and that a key or a link stands alone on the last line."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.server import WebmonServer, request
from webmon.cli import COMMANDS, main
from webmon.core import Core
from webmon.settings import Settings

Run = Callable[..., Result]
_KEYS = ("key", "list", "--site", "example.org", "--json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEBMON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def run(folder: Path) -> Run:
    def invoke(*arguments: str, status: int = 0) -> Result:
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == status, done.output
        return done

    return invoke


def last(done: Result) -> str:
    return done.output.strip().splitlines()[-1]


def test_every_command_says_what_it_does(run: Run) -> None:
    listed = run("--help").output
    for name in COMMANDS:
        assert name in listed
        assert "Usage" in run(name, "--help").output


def test_a_command_loads_nothing_of_the_server(run: Run) -> None:
    run("site", "add", "example.org")
    listing = (
        "import sys; from webmon.cli import main; main(['site', 'list'], standalone_mode=False);"
        "print({'flask', 'duckdb', 'granian', 'alembic', 'apscheduler'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["example.org  consented_only  UTC", "set()"]


def test_a_site_its_keys_and_its_staff(run: Run, folder: Path) -> None:
    run("site", "add", "Example.ORG", "--timezone", "Europe/Berlin")
    assert json.loads(run("site", "list", "--json").output) == [
        {"domain": "example.org", "timezone": "Europe/Berlin", "mode": "consented_only"}
    ]
    login_key = last(run("site", "login-key", "example.org"))
    api_key = last(run("key", "add", "--site", "example.org", "--scope", "stats"))
    link = last(run("staff", "add", "owner@example.org", "--role", "owner"))
    assert re.fullmatch(r"[\w-]{43}", login_key)
    assert re.fullmatch(r"wm_stats_[\w-]{43}", api_key)
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/staff/link/[\w-]{43}", link)
    again = last(run("staff", "link", "owner@example.org"))
    assert again != link
    (member,) = json.loads(run("staff", "list", "--json").output)
    assert member == {
        "email": "owner@example.org",
        "password_set": False,
        "second_factor": False,
        "roles": {"(every site)": "owner"},
    }
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    body = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for secret in (login_key, api_key, link.rpartition("/")[2], again.rpartition("/")[2]):
        assert secret.encode() not in body


def test_staff_are_listed_in_words(run: Run) -> None:
    run("site", "add", "example.org")
    run("staff", "add", "owner@example.org", "--role", "owner")
    run("staff", "add", "m@example.org", "--role", "marketing", "--site", "example.org")
    run("staff", "add", "m@example.org", "--role", "privacy")
    assert sorted(run("staff", "list").output.splitlines()) == [
        "m@example.org  marketing on example.org, privacy on every site  (no password yet)",
        "owner@example.org  owner on every site  (no password yet)",
    ]


def test_links_lead_to_the_server_that_runs(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    del server.env["WEBMON_PUBLIC_URL"]
    server.run("site", "add", "example.org")
    server.start()
    try:
        link = server.last_line("staff", "add", "owner@example.org", "--role", "owner")
        assert request("GET", link).status == 200
        assert f"public address     {server.url}\n" in server.run("doctor").stdout
        server.env["WEBMON_PUBLIC_URL"] = "https://webmon.example.org"
        assert server.last_line("staff", "link", "owner@example.org").startswith("https://webmon.example.org/")
        assert f"but {server.url} where the server was started" in server.run("doctor").stdout
    finally:
        server.stop()


def test_links_lead_where_the_server_was_told_that_it_is(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data", WEBMON_PUBLIC_URL="https://webmon.example.org")
    server.start()
    del server.env["WEBMON_PUBLIC_URL"]
    try:
        link = server.last_line("staff", "add", "owner@example.org", "--role", "owner")
        assert link.startswith("https://webmon.example.org/staff/link/")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["site", "add", "not a host"], "must be a host name"),
        (["site", "add", "a.example", "--timezone", "Mars/Olympus"], "must be a time zone"),
        (["site", "login-key", "unknown.example"], "unknown.example"),
        (["key", "add", "--site", "unknown.example", "--scope", "stats"], "unknown.example"),
        (["key", "list", "--site", "unknown.example"], "unknown.example"),
        (["key", "end", "1", "--site", "unknown.example"], "unknown.example"),
        (["staff", "add", "nobody", "--role", "owner"], "must be an e-mail address"),
        (["staff", "add", "a@example.org", "--role", "marketing"], "Somebody must own the whole"),
        (["staff", "link", "nobody@example.org"], "There is no staff member"),
        (["demo-data", "--site", "unknown.example"], "unknown.example"),
        (["consent", "verify", "--site", "unknown.example"], "unknown.example"),
    ],
)
def test_a_slip_is_one_sentence_and_status_1(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments, status=1)
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_site_chooses_how_visitors_are_asked(run: Run) -> None:
    run("site", "add", "example.org", "--policy", "by_place")
    assert json.loads(run("site", "set", "example.org", "--json").output)["policy"] == "by_place"
    assert "policy: opt_out" in run("site", "set", "example.org", "--policy", "opt_out").output
    refused = run("site", "set", "example.org", "--policy", "exempt", status=1)
    assert "needs a mode that measures without identifiers" in refused.output
    run("site", "set", "example.org", "--policy", "martian", status=2)
    assert json.loads(run("site", "set", "example.org", "--json").output)["policy"] == "opt_out"


def test_the_same_site_twice_is_refused(run: Run) -> None:
    run("site", "add", "example.org")
    assert "there already" in run("site", "add", "example.org", status=1).output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBMON_PUBLIC_URL", "webmon.example.org"),
        ("WEBMON_THREADS", "none"),
        ("WEBMON_LOG_LEVEL", "loud"),
        ("WEBMON_EVENT_LOG_MEMORY", "much"),
    ],
)
def test_a_setting_that_cannot_be_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert name in run("site", "list", status=1).output


def test_settings_come_from_a_file_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "webmon.toml").write_text('public_url = "https://webmon.example.org"\n')
    assert last(run("staff", "add", "owner@example.org", "--role", "owner")).startswith("https://webmon.example.org/")
    (tmp_path / "webmon.toml").write_text("unheard_of = 1\n")
    assert "UNHEARD_OF" in run("site", "list", status=1).output


def test_a_secret_that_others_can_read_stops_everything(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    (folder / "secret.key").chmod(0o644)
    assert "chmod 600" in run("site", "list", status=1).output


@pytest.mark.parametrize("text", ["", "not hex", "ab" * 31])
def test_a_secret_that_is_none_stops_everything(run: Run, folder: Path, text: str) -> None:
    run("site", "add", "example.org")
    (folder / "secret.key").write_text(text)
    assert "secret.key" in run("site", "list", status=1).output


def test_another_secret_or_none_beside_the_data_stops_everything(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    kept = (folder / "secret.key").read_text()
    (folder / "secret.key").write_text("ab" * 32)
    assert "is not the key that this data folder was written with" in run("site", "list", status=1).output
    (folder / "secret.key").unlink()
    assert "put it back from its backup" in run("site", "list", status=1).output
    assert not (folder / "secret.key").exists(), "no new key is made beside old data"
    (folder / "secret.key").write_text(kept)
    (folder / "secret.key").chmod(0o600)
    assert "example.org" in run("site", "list").output


def test_a_root_that_is_missing_beside_a_database_is_never_made_anew(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    root = folder / "secret.root"
    kept = root.read_bytes()
    root.unlink()
    shutil.rmtree(folder / "keys")
    told = f"{root} is missing, but {folder / 'control.db'} was written with it; put it back from its backup"
    assert told in " ".join(run("site", "list", status=1).output.split())
    (folder / "control.db").write_bytes(b"this is no database" * 1000)
    assert "secret.root is missing" in run("site", "list", status=1).output
    assert not root.exists()
    assert not (folder / "keys").exists()
    root.write_bytes(kept)
    assert "control.db cannot be used" in run("site", "list", status=1).output


def test_data_keys_that_are_damaged_are_one_sentence(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    file = folder / "keys" / "accounts.db"
    shutil.rmtree(folder / "keys")
    file.parent.mkdir()
    file.write_bytes(b"this is no database" * 1000)
    told = run("site", "list", status=1).output
    assert f"{file} cannot be used" in told
    assert "put back the newest copy of" in told
    assert "Traceback" not in told
    assert f"failure  start              {file} cannot be used" in run("doctor", status=1).output
    shutil.rmtree(file.parent)
    file.parent.touch()
    assert f"{file} cannot be used" in run("site", "list", status=1).output


def test_login_keys_are_made_registered_listed_and_ended(run: Run, tmp_path: Path) -> None:
    run("site", "add", "example.org")
    secret = last(run("site", "login-key", "example.org"))
    public = Ed25519PrivateKey.generate().public_key()
    pem = tmp_path / "login.pub.pem"
    pem.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    number = last(run("site", "login-key", "example.org", "--public-key", str(pem), "--overlap-hours", "24"))
    first, second = json.loads(run("site", "login-keys", "example.org", "--json").output)
    assert (first["key_id"], first["algorithm"], first["ends_at"]) == (number, "EdDSA", None)
    assert (second["algorithm"], second["ends_at"] is None) == ("HS256", False)
    listed = run("site", "login-keys", "example.org").output
    assert f"{number}  EdDSA  since" in listed
    assert "with no end" in listed
    assert secret not in listed
    assert "The key ends at" in run("site", "end-login-key", "example.org", "--key", number).output
    assert (
        "is one of example.org already"
        in run("site", "login-key", "example.org", "--public-key", str(pem), status=1).output
    )
    pem.write_bytes(b"\xff")
    for text, said in ((b"\xff", "is no text"), (b"nonsense", "neither PEM nor a JWK")):
        pem.write_bytes(text)
        assert said in run("site", "login-key", "example.org", "--public-key", str(pem), status=1).output
    assert "is no login key" in run("site", "end-login-key", "example.org", "--key", "none", status=1).output


def test_a_login_key_that_takes_another_s_place_ends_no_third_one(run: Run) -> None:
    run("site", "add", "example.org")
    make = ("site", "login-key", "example.org")
    for _ in range(2):
        run(*make)
    keys = json.loads(run("site", "login-keys", "example.org", "--json").output)
    refused = run(*make, "--overlap-hours", "24", status=1).output
    assert "replaces must name the key that is to end" in refused
    assert all(one["key_id"] in refused for one in keys)
    assert "overlap_hours must say" in run(*make, "--replaces", keys[0]["key_id"], status=1).output
    assert "replaces must name" in run(*make, "--overlap-hours", "1", "--replaces", "none", status=1).output
    run(*make, "--overlap-hours", "24", "--replaces", keys[0]["key_id"])
    now = json.loads(run("site", "login-keys", "example.org", "--json").output)
    assert [one["key_id"] for one in now if one["ends_at"]] == [keys[0]["key_id"]]
    assert len(now) == 3


def test_a_login_key_that_is_damaged_is_named_and_ended_and_keeps_no_other_from_its_use(
    run: Run, folder: Path
) -> None:
    run("site", "add", "example.org")
    for _ in range(2):
        run("site", "login-key", "example.org")
    with contextlib.closing(sqlite3.connect(folder / "control.db")) as connection, connection:
        connection.execute("update login_key set wrapped_key = zeroblob(80) where id = 1")
    good, damaged = json.loads(run("site", "login-keys", "example.org", "--json").output)
    assert (good["algorithm"], damaged["algorithm"], damaged["key_id"]) == ("HS256", "damaged", "damaged-1")
    core = Core(Settings(data_dir=folder))
    site = core.sites.get("example.org")
    assert [key.id for key in core.sites.login_keys(site, core.clock.now())] == [good["key_id"]]
    core.close()
    ending = "webmon site end-login-key example.org --key damaged-1"
    assert ending in run("doctor", status=1).output
    assert "but 1 are damaged, so the old one is kept" in run("key", "rotate", status=1).output
    run(*ending.split()[1:])
    assert "is damaged" not in run("doctor").output
    core = Core(Settings(data_dir=folder))
    core.sites.prune_login_keys(core.clock.now())
    core.close()
    assert "keys are wrapped under the new key" in run("key", "rotate").output


def test_api_keys_are_listed_and_ended(run: Run) -> None:
    run("site", "add", "example.org")
    run("site", "add", "other.example")
    assert json.loads(run(*_KEYS).output) == []
    assert run("key", "list", "--site", "example.org").output == ""
    key = last(run("key", "add", "--site", "example.org", "--scope", "stats"))
    told = run("key", "add", "--site", "example.org", "--scope", "events").output
    newer, older = json.loads(run(*_KEYS).output)
    assert f"API key {newer['number']} of example.org, scope events." in told
    assert [one["scope"] for one in (newer, older)] == ["events", "stats"]
    assert (newer["ended_at"], older["ended_at"]) == (None, None)
    whose = (str(older["number"]), "--site")
    no_key = f"number {older['number']} is no API key of other.example"
    assert no_key in run("key", "end", *whose, "other.example", status=1).output
    assert "is no API key of example.org" in run("key", "end", "9999", "--site", "example.org", status=1).output
    assert "is not a valid integer" in run("key", "end", "seven", "--site", "example.org", status=2).output
    ended = f"API key {older['number']} of example.org, scope stats, has ended.\n"
    assert run("key", "end", *whose, "example.org").output == ended
    assert "has ended already" in run("key", "end", *whose, "example.org", status=1).output
    listed = run("key", "list", "--site", "example.org").output
    assert re.search(rf"^{newer['number']}  events  since .* UTC  with no end$", listed, re.MULTILINE)
    assert re.search(rf"^{older['number']}  stats  since .* UTC  until .* UTC$", listed, re.MULTILINE)
    assert key not in listed
    until = {one["number"]: one["ended_at"] for one in json.loads(run(*_KEYS).output)}
    assert until[newer["number"]] is None
    assert until[older["number"]] is not None


def test_a_running_server_refuses_a_key_once_it_has_ended(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    old, new = (server.last_line("key", "add", "--site", "example.org", "--scope", "stats") for _ in range(2))
    server.start()
    try:
        asked = {"site_id": "example.org", "metrics": ["visitors"], "date_range": "day"}
        for key in (old, new):
            assert server.query(key, **asked)["results"]
        number = str(json.loads(server.run(*_KEYS).stdout)[-1]["number"])
        server.run("key", "end", number, "--site", "example.org")
        refused = request("POST", f"{server.url}/api/v2/query", asked, {"Authorization": f"Bearer {old}"})
        assert (refused.status, refused.json()["detail"]) == (401, "this API key has ended")
        assert server.query(new, **asked)["results"]
    finally:
        server.stop()


def test_the_wrapping_key_is_changed_and_accounts_are_erased(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    before = (folder / "secret.key").read_text()
    done = run("key", "rotate").output
    assert re.search(r"\d+ keys are wrapped under the new key\. Back up .*secret\.key and all else anew", done)
    assert (folder / "secret.key").read_text() != before
    assert "wrapping key       one, of" in run("doctor").output
    assert "--yes" in run("account", "erase", "4711", "--site", "example.org", status=2).output
    assert "Nothing is held" in run("account", "erase", "4711", "--site", "example.org", "--yes", status=1).output
    assert "0 accounts are erased" in run("account", "erase-lost", "--yes").output
    assert "--yes" in run("account", "erase-lost", status=2).output
    whose = ("4711", "--site", "example.org")
    for command in ("restrict", "lift-restriction"):
        assert "--reason" in run("account", command, *whose, status=2).output
        assert "reason must say in words" in run("account", command, *whose, "--reason", "so", status=1).output
        said = run("account", command, *whose, "--reason", "A letter of last week", status=1).output
        assert "Nothing is held" in said
        assert (
            "nowhere.example"
            in run(
                "account", command, "4711", "--site", "nowhere.example", "--reason", "A letter of last week", status=1
            ).output
        )


def test_a_running_server_restricts_and_erases_an_account(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    key = server.last_line("key", "add", "--site", "example.org", "--scope", "login")
    server.start()
    try:
        sent = {"site": "example.org", "account": "4711", "visitor": "v" * 22, "visit": "w" * 22}
        answer = request("POST", f"{server.url}/api/login", sent, {"Authorization": f"Bearer {key}"})
        assert answer.status == 204, answer.body
        whose = ("4711", "--site", "example.org", "--reason", "A letter of last week")
        first, again = (server.run("account", "restrict", *whose).stdout for _ in range(2))
        assert first.startswith("The account is restricted, since 20")
        assert again == first.replace("restricted,", "restricted already,")
        lifted = [server.run("account", "lift-restriction", *whose).stdout for _ in range(2)]
        assert lifted == ["The restriction is lifted.\n", "The account is not restricted.\n"]
        done = server.run("account", "erase", "4711", "--site", "example.org", "--yes")
        assert "The account is erased, and with it 0 rows." in done.stdout
        again = server.run("account", "erase", "4711", "--site", "example.org", "--yes", check=False)
        assert "Nothing is held about this account" in again.stderr
    finally:
        server.stop()


def test_made_up_visits_are_for_the_demo_only_unless_told(run: Run) -> None:
    run("site", "add", "localhost")
    run("site", "add", "example.org")
    assert "500 made-up rows" in run("demo-data", "--site", "localhost", "--rows", "500").output
    assert "--yes" in run("demo-data", "--site", "example.org", status=2).output


def test_the_doctor_finds_nothing_wrong_with_a_fresh_folder(run: Run) -> None:
    run("site", "add", "example.org")
    findings = json.loads(run("doctor", "--json").output)
    assert {finding["state"] for finding in findings} == {"ok", "warning"}
    assert [one["check"] for one in findings if one["state"] == "warning"] == ["staff"]


def test_the_doctor_names_what_is_wrong(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("site", "add", "example.org")
    (folder / "control.db").chmod(0o644)
    (folder / "spool").mkdir(exist_ok=True)
    (folder / "events").mkdir(exist_ok=True)
    (folder / "events" / "2026-01.duckdb").write_bytes(b"no database")
    monkeypatch.setenv("WEBMON_PUBLIC_URL", "http://webmon.example.org")
    monkeypatch.setenv("WEBMON_TRUSTED_PROXIES", "10.0.0.0/8, nonsense")
    rules = folder.parent / "rules.toml"
    rules.write_text("[default")
    monkeypatch.setenv("WEBMON_RETENTION_FILE", str(rules))
    findings = {one["check"]: one for one in json.loads(run("doctor", "--json", status=1).output)}
    assert findings["public address"]["state"] == "warning"
    for name in ("trusted proxies", "proxies"):
        if name in findings:
            assert findings[name]["state"] == "failure"
    assert findings["retention"]["state"] == "failure"
    assert findings["event log"]["state"] == "failure"


@pytest.mark.parametrize(("header", "status"), [("", "warning"), ("X-Forwarded-For", "ok")])
def test_the_doctor_asks_for_the_header_of_a_proxy(
    run: Run, monkeypatch: pytest.MonkeyPatch, header: str, status: str
) -> None:
    monkeypatch.setenv("WEBMON_TRUSTED_PROXIES", "10.0.0.0/8")
    monkeypatch.setenv("WEBMON_PROXY_HEADER", header)
    findings = {one["check"]: one for one in json.loads(run("doctor", "--json").output)}
    found = findings["trusted proxies"]
    assert (found["state"], "WEBMON_PROXY_HEADER" in found["text"]) == (status, not header)


def test_the_doctor_finds_a_broken_chain(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    run("site", "add", "other.example")
    from webmon.core import Core

    core = Core()
    with core.database.engine.connect() as connection:
        connection.exec_driver_sql("delete from audit where seq = 1")
        connection.commit()
    core.close()
    findings = {one["check"]: one for one in json.loads(run("doctor", "--json", status=1).output)}
    assert findings["audit trail"]["state"] == "failure"
    assert run("audit", "verify", status=1).output.strip().endswith("entry 1 is missing")


def test_the_guards_rules_are_set_from_the_command_line(run: Run) -> None:
    run("site", "add", "example.org")
    rules = ("--allow-parameter", "lang", "--path-template", "/patients/:id/*", "--path-template", "/rooms/:name")
    for _ in range(2):
        done = run("site", "set", "example.org", *rules)
    assert "path templates: /patients/:id/*, /rooms/:name" in done.output
    assert "property keys: none" in done.output
    done = run("site", "set", "example.org", "--path-template", "", "--property-key", "plan", "--json")
    rules_now = {"parameters": ["lang"], "path_templates": [], "property_keys": ["plan"]}
    told = {
        "domain": "example.org",
        "policy": "everywhere_opt_in",
        **rules_now,
        "choice_days": 182,
        "share_subdomains": False,
        "promote_days": 0,
        "family": [],
    }
    assert json.loads(done.output) == told
    assert json.loads(run("site", "set", "example.org", "--json").output) == told
    shared = run("site", "set", "example.org", "--subdomains", "shared").output
    assert "182 days, example.org and all below it" in shared
    assert "each host for itself" in run("site", "set", "example.org", "--subdomains", "each").output
    assert "an answer holds: 30 days" in run("site", "set", "example.org", "--choice-days", "30").output
    assert "must be between 1 and 395" in run("site", "set", "example.org", "--choice-days", "0", status=1).output
    assert "the account: the visit alone" in run("site", "set", "example.org").output
    assert "and rows of 30 days before" in run("site", "set", "example.org", "--promote-days", "30").output
    assert "must be between 0 and 390" in run("site", "set", "example.org", "--promote-days", "-1", status=1).output
    done = run("site", "set", "example.org", "--path-template", "patients", status=1)
    assert "line 1, “patients”: must begin with /" in done.output


def test_a_family_is_named_from_the_command_line(run: Run) -> None:
    for name in ("example.org", "other.example"):
        run("site", "add", name)
    assert "one choice with: no other site" in run("site", "set", "example.org").output
    named = run("site", "set", "example.org", "--family", "other.example").output
    assert "one choice with: other.example (once it names this site too)" in named
    run("site", "set", "other.example", "--family", "example.org")
    assert "one choice with: other.example\n" in run("site", "set", "example.org").output
    assert json.loads(run("site", "set", "example.org", "--json").output)["family"] == ["other.example"]
    wrong = run("site", "set", "example.org", "--family", "unknown.example", status=1)
    assert "is not a site of this server" in wrong.output
    assert "no other site" in run("site", "set", "example.org", "--family", "").output


def test_a_site_is_set_altogether_or_not_at_all(run: Run) -> None:
    run("site", "add", "example.org")
    before = run("site", "set", "example.org", "--json").output
    changes = ("--policy", "by_place", "--choice-days", "30", "--property-key", "plan")
    for wrong in (("--path-template", "patients"), ("--allow-parameter", "a b")):
        refused = run("site", "set", "example.org", *changes, *wrong, status=1)
        assert "line 1" in refused.output
        assert run("site", "set", "example.org", "--json").output == before
    run("site", "set", "example.org", "--policy", "by_place", "--choice-days", "0", status=1)
    assert run("site", "set", "example.org", "--json").output == before
    done = json.loads(run("site", "set", "example.org", *changes, "--json").output)
    assert (done["policy"], done["choice_days"], done["property_keys"]) == ("by_place", 30, ["plan"])


def test_a_file_that_is_damaged_or_missing_is_named_before_anything_starts(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    server.env["WEBMON_RETENTION_FILE"] = str(tmp_path / "none.toml")
    done = server.run("serve", "--port", str(server.port), check=False, seconds=60)
    assert done.returncode != 0
    assert "none.toml" in done.stderr
    assert "Traceback" not in done.stderr

    del server.env["WEBMON_RETENTION_FILE"]
    keys = server.folder / "ephemeral" / "day-keys.json"
    keys.parent.mkdir(exist_ok=True)
    keys.write_text("no keys")
    done = server.run("serve", "--port", str(server.port), check=False, seconds=60)
    assert done.returncode != 0
    assert f"{keys} is damaged" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("damage", ["no database", "cut short", "overwritten"])
def test_a_damaged_database_is_named_and_what_to_do(run: Run, folder: Path, damage: str) -> None:
    run("site", "add", "example.org")
    path = folder / "control.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    whole = path.read_bytes()
    damaged = {
        "no database": b"this is no database" * 1000,
        "cut short": whole[:5000],
        "overwritten": whole[:1024] + b"\xff" * (len(whole) - 1024),
    }[damage]
    path.write_bytes(damaged)
    done = run("site", "list", status=1)
    assert f"{path} cannot be used" in done.output
    assert "put the whole data folder back from its last backup" in done.output
    findings = json.loads(run("doctor", "--json", status=1).output)
    assert [(one["check"], one["state"]) for one in findings] == [("start", "failure")]
    assert f"{path} cannot be used" in findings[0]["text"]


def test_a_server_does_not_start_on_a_damaged_database_and_says_why(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    path = server.folder / "control.db"
    path.write_bytes(b"this is no database" * 1000)
    done = server.run("serve", "--port", str(server.port), check=False, seconds=60)
    assert done.returncode != 0
    assert f"{path} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_breaks_below_its_tables_is_found_by_the_doctor(run: Run, folder: Path) -> None:
    run("site", "add", "example.org")
    path = folder / "control.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
        size = database.execute("pragma page_size").fetchone()[0]
        page = database.execute("select rootpage from sqlite_master where name = 'notice'").fetchone()[0]
    raw = bytearray(path.read_bytes())
    raw[size * (page - 1) : size * page] = b"\xff" * size
    path.write_bytes(raw)
    done = run("doctor", "--json", status=1)
    failures = [one["text"] for one in json.loads(done.output) if one["state"] == "failure"]
    assert any(f"{path} cannot be used" in text for text in failures), failures


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit", "export", "--since", "0001-01-01", "--until", "9999-12-31"], ""),
        (["site", "login-key", "example.org", "--overlap-hours", "9" * 20], "is not in the range"),
        (["site", "end-login-key", "example.org", "--key", "x", "--after-hours", "9" * 11], "is not in the range"),
        (["site", "services", "import", "deep.json", "--site", "example.org"], "is not JSON"),
        (["staff", "add", "\udcff@example.org", "--role", "owner"], "is not text in UTF-8"),
        (["audit", "export", "--actor", "\udcff"], "is not text in UTF-8"),
    ],
)
def test_odd_values_are_refused_in_a_sentence(run: Run, folder: Path, arguments: list[str], said: str) -> None:
    run("site", "add", "example.org")
    folder.parent.joinpath("deep.json").write_text("[" * 100_000)
    done = CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert said in done.output
    assert done.exit_code == (2 if "range" in said or "UTF-8" in said else 1 if said else 0)


def test_a_data_folder_that_cannot_be_made_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBMON_DATA_DIR", "/proc/webmon")
    assert "/proc/webmon" in run("site", "list", status=1).output

"""The demo website is a customer as any other, and `make serve` starts it as often as one likes."""

from __future__ import annotations

import ast
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from flask.testing import FlaskClient

from demo.site import GUIDE, PAGES, Config, create_demo
from tests.support.demo import Demo
from tests.support.server import READY_SECONDS, ROOT, wait_until
from tests.support.world import csrf

CONFIG = Config("http://127.0.0.1:8000", "localhost", "k" * 43, "s" * 43)
TAG = (
    '<script defer src="http://127.0.0.1:8000/w.js" data-site="localhost" '
    'data-track="outbound downloads forms 404 events"></script>'
)

ADDRESSES = ["/", *(f"/{name}" for name in PAGES), "/guide", *(f"/guide/{step}" for step in GUIDE), "/contact"]


@pytest.fixture
def client() -> FlaskClient:
    return create_demo(CONFIG).test_client()


def test_it_knows_nothing_of_webmon_s_code() -> None:
    for path in (ROOT / "demo").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "webmon"], path


@pytest.mark.parametrize(
    "path", ["/", *(f"/{name}" for name in PAGES), *(f"/guide/{step}" for step in GUIDE), "/contact"]
)
def test_every_page_has_the_one_tag_and_sets_no_cookie_by_itself(client: FlaskClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert page.get_data(as_text=True).count(TAG) == 1
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    if path != "/contact":  # its form has a CSRF token
        assert "Set-Cookie" not in page.headers


def test_it_loads_nothing_from_anywhere_else(client: FlaskClient) -> None:
    for path in ("/", *(f"/{name}" for name in PAGES)):
        text = client.get(path).get_data(as_text=True)
        assert set(re.findall(r'(?:src|data-src)="(https?://[^/"]+)', text)) == {"http://127.0.0.1:8000"}


def test_signing_in_mints_a_token_that_holds_once_and_briefly(client: FlaskClient) -> None:
    page = client.get("/sign-in")
    assert client.post("/sign-in", data={"who": "demo"}).status_code == 400, "needs its CSRF token"
    client.post("/sign-in", data={"who": "demo", "csrf_token": csrf(page)})
    seen = set()
    for _ in range(2):
        found = re.search(r'data-login-token="([^"]+)"', client.get("/account?welcome=1").get_data(as_text=True))
        assert found
        claims = jwt.decode(found[1], CONFIG.login_key, algorithms=["HS256"], audience="localhost")
        assert claims["sub"] == "demo-patient"
        assert claims["exp"] - claims["iat"] <= 300
        seen.add(claims["jti"])
    assert len(seen) == 2
    assert "data-login-token" not in client.get("/account").get_data(as_text=True)


def test_nobody_signed_in_has_no_account_and_no_token(client: FlaskClient) -> None:
    assert client.get("/account").status_code == 302
    assert client.post("/account/token").status_code == 400


def test_the_contact_form_says_what_is_missing_and_keeps_nothing(client: FlaskClient) -> None:
    token = csrf(client.get("/contact"))
    missing = client.post("/contact", data={"csrf_token": token, "topic": "", "message": "x"})
    assert "Please say what it is about." in missing.get_data(as_text=True)
    sent = client.post("/contact", data={"csrf_token": token, "topic": "Hours", "message": "When?"})
    assert sent.headers["Location"] == "/contact/thanks"


def test_a_page_that_is_not_there_is_said_so(client: FlaskClient) -> None:
    for path in ("/nothing", "/guide/nothing"):
        assert client.get(path).status_code == 404


def test_starting_it_twice_keeps_site_owner_and_secrets(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.start()
    first = demo.said()
    secrets = (demo.data / "demo.env").read_text()
    assert stat.S_IMODE((demo.data / "demo.env").stat().st_mode) == 0o600
    assert demo.stop() == 0
    demo.log.unlink()
    demo.start()
    assert demo.stop() == 0
    assert "Adding the first" in first
    assert "Adding the first" not in demo.said()
    assert (demo.data / "demo.env").read_text() == secrets
    assert re.findall(r"staff/link/(\S+)", first) != re.findall(r"staff/link/(\S+)", demo.said()), (
        "a link is not kept"
    )


def test_the_website_opens_only_when_webmon_answers_it(tmp_path: Path) -> None:
    """A page that was opened before would show no banner until it is loaded again."""
    demo = Demo(tmp_path)
    demo.launch()
    try:
        wait_until(lambda: _answers(demo.demo_port), READY_SECONDS, "the website opens", demo.said)
        assert _answers(demo.port)
    finally:
        assert demo.stop() == 0


def _answers(port: int) -> bool:
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, str(ROOT / "demo" / "start.py"), "--port", port]
        env = Demo(tmp_path).env
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert done.returncode == 1
    assert "make serve PORT=" in done.stderr
    assert not (tmp_path / "data").exists()

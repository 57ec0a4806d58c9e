"""Tokens that the helper and the documentation's code mint are tokens that hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from webmon import login_token
from webmon.domain.login import check_token, public_key, shared_key
from webmon.login_token import mint

DOCS = Path(__file__).resolve().parents[2] / "docs" / "signing-in.md"
KEY = "k" * 43
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = public_key(PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
KEYS = [shared_key(KEY), PUBLIC]


def code(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)[number]


def assert_holds(token: str, subject: str = "4711") -> None:
    claims = check_token(token, KEYS, "example.org", datetime.now(UTC))
    assert claims.subject == subject


@pytest.mark.parametrize("key", [KEY, PEM])
def test_the_helper_mints_tokens_that_hold(key: str) -> None:
    token = mint("4711", "example.org", key, email="a@example.net", name="Zoë")
    claims = check_token(token, KEYS, "example.org", datetime.now(UTC))
    assert (claims.subject, claims.email, claims.name) == ("4711", "a@example.net", "Zoë")
    assert mint("4711", "example.org", key) != mint("4711", "example.org", key)


@pytest.mark.parametrize("key", [KEY, PEM])
def test_the_helper_says_when_the_session_ends_where_it_is_told(key: str) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=8)
    token = mint("4711", "example.org", key, session_expiry=int(ends_at.timestamp()))
    without = mint("4711", "example.org", key)
    ends = [check_token(one, KEYS, "example.org", datetime.now(UTC)).session_ends_at for one in (token, without)]
    assert ends == [ends_at, None]


def test_the_account_may_be_a_number() -> None:
    assert_holds(mint(4711, "example.org", KEY))
    assert_holds(mint(0, "example.org", KEY), "0")
    for account in (None, 4711.0, b"4711", True):
        with pytest.raises(TypeError, match=f"must be a str or an int, not {type(account).__name__}"):
            mint(account, "example.org", KEY)  # type: ignore[arg-type]


def test_the_helper_refuses_what_would_not_hold() -> None:
    for account in ("", "x" * 256, "a\u0000b", "4711\n", "\u009f"):
        with pytest.raises(ValueError, match="1 to 255"):
            mint(account, "example.org", KEY)
    for seconds in (0, 301):
        with pytest.raises(ValueError, match="between 1 and 300"):
            mint("4711", "example.org", KEY, life_seconds=seconds)
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for key in ("", " \n"):
        with pytest.raises(ValueError, match="key is empty"):  # as an environment without the variable gives it
            mint("4711", "example.org", key)
    with pytest.raises(ValueError, match="no Ed25519"):
        mint("4711", "example.org", other)


def test_the_helper_is_one_file_that_needs_nothing(tmp_path: Path) -> None:
    shutil.copy(login_token.__file__, tmp_path / "elsewhere.py")
    program = f"import elsewhere, sys; print(elsewhere.mint('4711', 'example.org', {KEY!r})); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    token, modules = done.stdout.splitlines()
    assert_holds(token)
    assert not {"webmon", "jwt", "cryptography"} & set(modules.split())


def test_the_documented_flask_code_mints_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBMON_LOGIN_KEY", KEY)
    scope: dict[str, object] = {"__name__": "website"}
    exec(code("python"), scope)  # noqa: S102 - the documentation is ours
    app = scope["app"]
    app.secret_key = "secret"  # type: ignore[attr-defined]
    client = app.test_client()  # type: ignore[attr-defined]
    with client.session_transaction() as session:
        session["account_id"] = "4711"
    assert_holds(client.post("/webmon-token").get_json()["token"])


def test_the_documented_django_code_is_python() -> None:
    compile(code("python", 1), "django", "exec")
    assert "mint(str(request.user.pk), " in code("python", 1)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here")
@pytest.mark.parametrize("key", [KEY, PEM])
def test_the_documented_express_code_mints_a_token(tmp_path: Path, key: str) -> None:
    program = code("js", 1) + "\nconsole.log(mint(4711, 'example.org', process.argv[2]));\n"
    (tmp_path / "mint.js").write_text(program)
    assert_holds(output(["node", str(tmp_path / "mint.js"), key]))


@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not here")
def test_the_documented_java_code_mints_a_token(tmp_path: Path) -> None:
    shown = "System.out.println(LoginToken.mint(a[0], a[1], a[2]));"
    main = f"class Main {{ public static void main(String[] a) throws Exception {{ {shown} }} }}"
    (tmp_path / "Main.java").write_text(code("java").replace("final class", f"{main}\n\nfinal class", 1))
    assert_holds(output(["java", str(tmp_path / "Main.java"), "4711", "example.org", KEY]))


@pytest.mark.skipif(shutil.which("php") is None, reason="PHP is not here")
def test_the_documented_php_code_mints_a_token(tmp_path: Path) -> None:
    (tmp_path / "mint.php").write_text(code("php") + "\necho mint($argv[1], $argv[2], $argv[3]);\n")
    assert_holds(output(["php", str(tmp_path / "mint.php"), "4711", "example.org", KEY]))


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not here")
def test_the_documented_go_code_mints_a_token(tmp_path: Path) -> None:
    program = code("go").replace("package login", "package main").replace("import (", 'import (\n"fmt"\n"os"', 1)
    main = "func main() { token, _ := Mint(os.Args[1], os.Args[2], os.Args[3]); fmt.Println(token) }"
    (tmp_path / "mint.go").write_text(f"{program}\n{main}\n")
    assert_holds(output(["go", "run", str(tmp_path / "mint.go"), "4711", "example.org", KEY]))


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

"""`make serve`: sets webmon up with a first site and owner, starts it and the demo website, says where they are.

It uses webmon as an operator does: by its command line and its settings.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
WEBMON = str(Path(sys.executable).with_name("webmon"))
SITE = "localhost"
OWNER = "owner@localhost"
HAS_PASSWORD = 3
READY_SECONDS = 60
_PR_SET_PDEATHSIG = 1

stopping = threading.Event()


def main() -> int:
    parser = argparse.ArgumentParser(description="Start webmon and the demo website.")
    parser.add_argument("--port", type=int, default=8000, help="port of webmon")
    parser.add_argument("--demo-port", type=int, default=8001, help="port of the demo website")
    options = parser.parse_args()
    for port in (options.port, options.demo_port):
        check_port(port)
    # Two names of one machine: cookies do not tell ports apart, and the demo is to be another website than webmon.
    url = os.environ.setdefault("WEBMON_PUBLIC_URL", f"http://127.0.0.1:{options.port}")
    data = Path(os.environ.setdefault("WEBMON_DATA_DIR", "data")).resolve()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())

    add_site()
    env = os.environ | demo_settings(data / "demo.env", url)
    link = owner_link()
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        children["webmon"] = start([WEBMON, "serve", "--port", str(options.port)], dict(os.environ))
        # A page that is opened before webmon answers asks nothing until it is loaded again.
        if wait_for(children, f"http://127.0.0.1:{options.port}/healthz"):
            site = [sys.executable, str(HERE / "site.py"), "--port", str(options.demo_port)]
            children["the demo website"] = start(site, env)
            if wait_for(children, f"http://127.0.0.1:{options.demo_port}/"):
                tell(f"http://{SITE}:{options.demo_port}/", url, link)
        return watch(children)
    finally:
        stop(children.values())


def check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            give_up(f"Port {port} cannot be used ({error.strerror}). Others: make serve PORT=8010 DEMO_PORT=8011")


def webmon(*arguments: str, expected: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([WEBMON, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in expected:
        give_up(done.stderr.strip() or done.stdout.strip())
    return done


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.strip().splitlines()[-1]


def add_site() -> None:
    known = [site["domain"] for site in json.loads(webmon("site", "list", "--json").stdout)]
    if SITE not in known:
        print(f"Adding the first site, {SITE} …", flush=True)
        webmon("site", "add", SITE)
        webmon("site", "services", "import", str(HERE / "services.json"), "--site", SITE, "--publish")


def demo_settings(path: Path, url: str) -> dict[str, str]:
    """Return the demo website's settings; its secrets are made once and kept in a file of its owner alone."""
    if not path.exists():
        kept = {
            "WEBMON_LOGIN_KEY": last_line(webmon("site", "login-key", SITE)),
            "DEMO_SECRET": secrets.token_urlsafe(32),
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in kept.items())
    lines = path.read_text("utf-8").split()
    return dict(line.split("=", 1) for line in lines) | {"WEBMON_URL": url, "WEBMON_SITE": SITE}


def owner_link() -> str | None:
    """Return the link with which the first owner sets a password, or None where one is set."""
    known = [one["email"] for one in json.loads(webmon("staff", "list", "--json").stdout)]
    if OWNER not in known:
        print(f"Adding the first owner, {OWNER} …", flush=True)
        return last_line(webmon("staff", "add", OWNER, "--role", "owner"))
    done = webmon("staff", "link", OWNER, expected=(0, HAS_PASSWORD))
    return last_line(done) if done.returncode == 0 else None


def start(command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    # In a session of its own: Ctrl-C reaches this process alone, which then ends its children in order.
    return subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent
    )


def die_with_parent() -> None:
    """If this process is killed, its children must not hold the ports and the data."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_for(children: dict[str, subprocess.Popen[bytes]], address: str) -> bool:
    """Return whether the address answers: not, where a child has ended or the end is asked for before it does."""
    end = time.monotonic() + READY_SECONDS
    while not answers(address):
        if stopping.is_set() or any(child.poll() is not None for child in children.values()):
            return False
        if time.monotonic() > end:
            give_up(f"{address} does not answer after {READY_SECONDS} seconds")
        stopping.wait(0.1)
    return True


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def tell(demo: str, url: str, link: str | None) -> None:
    lines = {
        "Demo website": demo,
        "Dashboard": f"{url}/dashboard/{SITE}",
        "Preference page": f"{url}/privacy/{SITE}",
        "Admin pages": f"{url}/admin/",
    }
    print("\nwebmon is running. Ctrl-C ends it.\n")
    for label, address in lines.items():
        print(f"  {label:<16} {address}")
    if link:
        print(f"\nSign in as {OWNER}: this link sets your password, once.\n\n  {link}\n", flush=True)
    else:
        print(f"\nSign in as {OWNER} with the password you have set.\n", flush=True)


def watch(children: dict[str, subprocess.Popen[bytes]]) -> int:
    """Wait for the end: 0 where it was asked for, else the status of the child that ended."""
    while not stopping.wait(0.2):
        for name, child in children.items():
            if child.poll() is not None:
                print(f"{name} has ended with status {child.returncode}; stopping.", file=sys.stderr)
                return child.returncode or 1
    print("\nStopping …", flush=True)
    return 0


def stop(children: Any) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()


def give_up(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())

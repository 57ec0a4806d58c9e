"""Make sure that the browser tests have a browser: Debian's, through apt; elsewhere say what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None. `WEBMON_TEST_CHROMIUM` names one that is in no usual place."""
    named = os.environ.get("WEBMON_TEST_CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    return found or next((place for place in PLACES if Path(place).exists()), None)


def main() -> int:
    if find_chromium():
        return 0
    if shutil.which("apt-get") is None:
        print("The browser tests need Chromium. Install it, or set WEBMON_TEST_CHROMIUM to where it is.")
        return 1
    print("Installing Debian's chromium for the browser tests …", flush=True)
    failed = install("chromium", "fonts-dejavu-core")
    if failed:
        print(f"{failed} failed; install chromium by hand, or set WEBMON_TEST_CHROMIUM.")
        return 1
    return 0 if find_chromium() else 1


def install(*packages: str) -> str:
    """Install packages of Debian's; return the command that failed, empty where none did."""
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        result = subprocess.run([*prefix, "apt-get", *arguments], stdout=subprocess.DEVNULL, check=False)
        if result.returncode:
            return f"apt-get {arguments[0]}"
    return ""


if __name__ == "__main__":
    sys.exit(main())

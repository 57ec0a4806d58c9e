"""What was measured on, and how much of it was used."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
from pathlib import Path

REST_SECONDS = 0.4


def describe() -> str:
    cpu = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) / 1024**2
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cpu[0] if cpu else platform.machine()}, {cores} cores, {memory:.0f} GiB; "
        f"{platform.system()} {platform.release().split('-')[0]}; Python {platform.python_version()}; "
        f"{time.strftime('%Y-%m-%d')}"
    )


def processes(pid: int) -> list[Path]:
    """A process and all below it."""
    found = [Path(f"/proc/{pid}")]
    for one in found:  # which grows meanwhile
        with contextlib.suppress(OSError):  # it has ended
            for children in one.glob("task/*/children"):
                found += [Path(f"/proc/{child}") for child in children.read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    ticks = 0
    for one in processes(pid):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, (one / "stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_rest(pid: int) -> None:
    """Wait until a process and those below it have next to nothing to do; at most half a minute."""
    end, before = time.monotonic() + 30, cpu_seconds(pid)
    while time.monotonic() < end:
        time.sleep(REST_SECONDS)
        now = cpu_seconds(pid)
        if now - before < 0.05 * REST_SECONDS:
            return
        before = now


def memory_mb(pid: int) -> float:
    """Proportional set size of the processes together, as it is now."""
    rollups = [(one / "smaps_rollup").read_text() for one in processes(pid)]
    return sum(int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) for text in rollups) / 1024

"""What services need of the stores, as protocols; `webmon.app` picks the adapters.

A service that writes is given a `Unit`: a function that opens one transaction and yields the repository for it. The
service owns the transaction; a repository never commits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")
Unit = Callable[[], AbstractContextManager[T]]

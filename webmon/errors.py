"""Every error webmon raises on purpose.

::

    WebmonError
    ├── SettingsError        a setting, a file or a permission is wrong at start
    ├── InvalidInput   400   a field of a request cannot be used; names the field
    │   └── UnknownSite      ... because it names a site this server does not have
    ├── NotAuthenticated 401 a key, token or password is missing or does not hold
    ├── NotAllowed     403   the role does not reach that far
    ├── NotFound       404
    ├── Conflict       409   it exists already, or somebody was faster
    ├── BodyTooLarge   413
    ├── SpoolFull      429   the spool has reached its bound; try again shortly
    └── Unavailable    503   a store cannot take or give it now (a full disk, a broken file)
"""

from __future__ import annotations


class WebmonError(Exception):
    """Base of all; `status` is the HTTP answer, `code` the stable name in problem documents."""

    status = 500
    code = "error"
    title = "Something went wrong"


class SettingsError(WebmonError):
    code = "settings"
    title = "A setting is wrong"


class InvalidInput(WebmonError):
    """A field of a request cannot be used: `errors` maps the field to what is wrong with it."""

    status = 400
    code = "invalid"
    title = "The request is not valid"

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{field} {text}" for field, texts in errors.items() for text in texts))

    @classmethod
    def field(cls, name: str, text: str) -> InvalidInput:
        return cls({name: [text]})


class UnknownSite(InvalidInput):
    def __init__(self, domain: str, field: str = "site") -> None:
        super().__init__({field: [f"{domain[:80]!r} is not a site of this server"]})


class NotAuthenticated(WebmonError):
    status = 401
    code = "not_authenticated"
    title = "Who is asking is not known"

    def __init__(self, text: str, field: str | None = None) -> None:
        self.errors = {field: [text]} if field else {}
        super().__init__(text)


class NotAllowed(WebmonError):
    status = 403
    code = "not_allowed"
    title = "That is not allowed"


class NotFound(WebmonError):
    status = 404
    code = "not_found"
    title = "There is no such thing"


class Conflict(WebmonError):
    status = 409
    code = "conflict"
    title = "That cannot be done as things stand"


class BodyTooLarge(WebmonError):
    status = 413
    code = "body_too_large"
    title = "The body is too large"

    def __init__(self, limit: int) -> None:
        self.errors = {"body": [f"is larger than {limit} bytes"]}
        super().__init__(f"body is larger than {limit} bytes")


class BodyTooSlow(WebmonError):
    status = 408
    code = "body_too_slow"
    title = "The body did not arrive in time"

    def __init__(self) -> None:
        self.errors = {"body": ["did not arrive in time"]}
        super().__init__("body did not arrive in time")


class SpoolFull(WebmonError):
    status = 429
    code = "spool_full"
    title = "Too much at once; try again shortly"


class Unavailable(WebmonError):
    status = 503
    code = "unavailable"
    title = "Not available just now"


def told(error: BaseException) -> str:
    """Say what went wrong as a log or a report may hold it: in our own words and the system's, never a library's.

    A message of a database or a parser may quote the values that it stumbled over, and they came from a visitor.
    """
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, WebmonError | OSError) else name

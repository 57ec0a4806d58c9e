"""A website of a customer: static pages on another origin than webmon's, and a record of what it was asked."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Website:
    """Serves `pages` (path to HTML) at http://localhost:PORT, each under the given headers.

    `asked` holds the address and the headers (names in lower case) of every request.
    """

    def __init__(self, pages: dict[str, str], headers: dict[str, str] | None = None) -> None:
        self.pages = pages
        self.headers = headers or {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                known = path in site.pages or path == "/favicon.ico"  # which a browser asks for when it likes
                if path != "/favicon.ico":
                    site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                body = site.pages.get(path, "<!doctype html><title>none</title>").encode()
                self.send_response(200 if known else 404)
                kind = "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8"
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **site.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def page(webmon: str, body: str = "", *, site: str = "localhost", title: str = "Home", extra: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<script defer src="{webmon}/w.js" data-site="{site}" {extra}></script></head>'
        f"<body><h1>{title}</h1>{body}</body></html>"
    )

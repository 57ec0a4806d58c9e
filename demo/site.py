"""A small clinic's website: a customer of webmon like any other. It shares no code with it, only one script tag.

Settings come from the environment: WEBMON_URL (where webmon answers), WEBMON_SITE (this website's domain there),
WEBMON_LOGIN_KEY (signs login tokens; `webmon site login-key` prints it), DEMO_SECRET (signs this website's sessions).
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import time
from dataclasses import dataclass
from functools import wraps
from typing import Any

import jwt
from flask import Flask, Response, abort, jsonify, redirect, render_template, request, session, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.serving import make_server
from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, Length

PAGES = ("services", "imaging", "doctors", "article", "video")
GUIDE = {
    "prepare": ("Before you come", "Bring your referral, your insurance card and a list of what you take."),
    "arrive": ("When you arrive", "The entrance is on the river side. Tell the front desk that you are here."),
    "after": ("Afterwards", "Results are in your account as soon as a doctor has read them, usually the same day."),
}
TOKEN_SECONDS = 240


@dataclass(frozen=True)
class Config:
    webmon_url: str
    site: str
    login_key: str
    secret: str

    @classmethod
    def from_environment(cls) -> Config:
        names = ("WEBMON_URL", "WEBMON_SITE", "WEBMON_LOGIN_KEY", "DEMO_SECRET")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            sys.exit(f"The demo website needs {', '.join(missing)}; `make serve` sets them.")
        return cls(*(os.environ[name] for name in names))


class ContactForm(FlaskForm):
    topic = StringField("What is it about?", [DataRequired("Please say what it is about."), Length(max=120)])
    message = TextAreaField("Your message", [DataRequired("Please write something."), Length(max=4000)])


def create_demo(config: Config) -> Flask:
    """Return the website as a WSGI application."""
    app = Flask("demo", root_path=os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    app.config.update(
        SECRET_KEY=config.secret,
        SESSION_COOKIE_NAME="demo_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    CSRFProtect(app)
    app.register_error_handler(404, lambda error: (render_template("missing.html"), error.code))
    app.register_error_handler(CSRFError, lambda error: (render_template("expired.html"), error.code))
    _wrap(app, config)
    _public_pages(app)
    _account(app, config)
    return app


def _wrap(app: Flask, config: Config) -> None:
    policy = (
        f"default-src 'none'; script-src 'self' {config.webmon_url}; connect-src {config.webmon_url} 'self'; "
        "style-src 'self'; img-src 'self' data:; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; "
        f"form-action 'self' {config.webmon_url}"
    )

    @app.context_processor
    def common() -> dict[str, Any]:
        return {
            "webmon_url": config.webmon_url,
            "webmon_site": config.site,
            "signed_in": "account" in session,
        }

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        return response


def _public_pages(app: Flask) -> None:
    @app.get("/")
    def home() -> str:
        return render_template("home.html")

    @app.get("/<any(%s):name>" % ", ".join(PAGES))  # noqa: UP031
    def page(name: str) -> str:
        return render_template(f"{name}.html")

    @app.get("/guide")
    @app.get("/guide/<step>")
    def guide(step: str = "prepare") -> str:
        if step not in GUIDE:
            abort(404)
        return render_template("guide.html", step=step, steps=GUIDE)

    @app.route("/contact", methods=["GET", "POST"])
    def contact() -> Any:
        form = ContactForm()
        if form.validate_on_submit():
            return redirect(url_for("thanks"))  # a demo: what was written is not kept
        return render_template("contact.html", form=form)

    @app.get("/contact/thanks")
    def thanks() -> str:
        return render_template("thanks.html")

    @app.get("/files/imaging-checklist.pdf")
    def checklist() -> Response:
        return app.send_static_file("imaging-checklist.pdf")

    @app.get("/embed/film")
    def film() -> Response:
        """What another company's player would be; it is here, so that the demo loads nothing from elsewhere."""
        return Response(render_template("film.html"))


def _account(app: Flask, config: Config) -> None:
    def signed_in(view: Any) -> Any:
        @wraps(view)
        def wrapped() -> Any:
            return view() if "account" in session else redirect(url_for("sign_in"))

        return wrapped

    @app.get("/sign-in")
    def sign_in() -> Any:
        if "account" in session:
            return redirect(url_for("account"))
        return render_template("sign_in.html", left=request.args.get("left"))

    @app.post("/sign-in")
    def begin() -> Any:
        session.clear()
        session["account"] = f"demo-{secrets.token_hex(8)}" if request.form.get("who") == "new" else "demo-patient"
        return redirect(url_for("account", welcome=1), 303)

    @app.post("/sign-out")
    def end() -> Any:
        session.clear()
        return redirect(url_for("sign_in", left=1), 303)

    @app.get("/account")
    @signed_in
    def account() -> str:
        fresh = request.args.get("welcome") == "1"
        return render_template("account.html", token=mint(config, session["account"]), fresh=fresh)

    @app.post("/account/token")
    @signed_in
    def token() -> Response:
        return jsonify(token=mint(config, session["account"]))


def mint(config: Config, account: str) -> str:
    """Return a login token: who is signed in, for which site, for a few minutes, to be used once."""
    now = int(time.time())
    claims = {
        "sub": account,
        "aud": config.site,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode(claims, config.login_key, algorithm="HS256")


def main() -> None:
    parser = argparse.ArgumentParser(description="The demo website.")
    parser.add_argument("--port", type=int, default=8001)
    port = parser.parse_args().port
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request would write addresses
    make_server("127.0.0.1", port, create_demo(Config.from_environment()), threaded=True).serve_forever()


if __name__ == "__main__":
    main()

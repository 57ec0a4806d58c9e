"""`webmon site`: the websites that embed the snippet."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import IO

import click

from webmon.domain.handover import family_of
from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.site import Mode
from webmon.errors import InvalidInput

ACTOR = "operator"
# Ten years: what is to last longer needs no end.
MOST_HOURS = 87_600
POLICY = click.Choice([one.value for one in Jurisdiction])


@click.group()
def command() -> None:
    """Add and list sites; keep the keys that sign login tokens."""


@command.command()
@click.argument("domain")
@click.option("--timezone", default="UTC", show_default=True, help="The site's time zone, such as Europe/Berlin.")
@click.option(
    "--mode", default=Mode.CONSENTED_ONLY.value, show_default=True, type=click.Choice([m.value for m in Mode])
)
@click.option(
    "--minimum-group",
    default=1,
    show_default=True,
    help="Smallest group of visitors that is shown; counts are multiples of it.",
)
@click.option("--dnt", is_flag=True, help="Take the browser's Do Not Track for an objection.")
@click.option(
    "--policy",
    default=Jurisdiction.EVERYWHERE_OPT_IN.value,
    show_default=True,
    type=POLICY,
    help="How visitors are asked, and whether by their place.",
)
def add(domain: str, timezone: str, mode: str, minimum_group: int, dnt: bool, policy: str) -> None:
    """Add the site DOMAIN, with its first notices, one for each language."""
    from webmon.core import Core

    site = Core().add_site(
        domain,
        actor=ACTOR,
        timezone=timezone,
        mode=mode,
        minimum_group=minimum_group,
        honour_dnt=dnt,
        jurisdiction=policy,
    )
    click.echo(f"Added {site.domain} ({site.mode}, {site.timezone}).")


@command.command("set")
@click.argument("domain")
@click.option("--allow-parameter", multiple=True, metavar="NAME", help="A query parameter to keep.")
@click.option(
    "--path-template",
    multiple=True,
    metavar="PATH",
    help="Such as /patients/:id/results, or /patients/* for all below.",
)
@click.option("--property-key", multiple=True, metavar="KEY", help="A property to keep; then no other is.")
@click.option("--policy", type=POLICY, help="How visitors are asked, and whether by their place.")
@click.option("--choice-days", type=int, help="For how many days an answer holds before it is asked for again.")
@click.option(
    "--subdomains", type=click.Choice(["shared", "each"]), help="Whether one choice holds on all subdomains."
)
@click.option(
    "--promote-days", type=int, help="For how many days back rows go to the account at sign-in; 0: the visit."
)
@click.option("--family", multiple=True, metavar="OTHER", help="A site here with which there is one choice.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def set_(
    domain: str,
    allow_parameter: tuple[str, ...],
    path_template: tuple[str, ...],
    property_key: tuple[str, ...],
    policy: str | None,
    choice_days: int | None,
    subdomains: str | None,
    promote_days: int | None,
    family: tuple[str, ...],
    as_json: bool,
) -> None:
    """Set the policy, the guard's rules, where and for how long an answer holds, and how much goes to the account at
    sign-in of the site DOMAIN, and print them. Each option of the guard, and --family, may be given many times;
    together they replace what there was of their kind, an empty text (--path-template "") leaves none. Without
    options, nothing changes; where one of them is wrong, neither."""
    from webmon.core import Core

    core = Core()
    site = core.sites.get(domain)
    site = core.sites.adjust(
        site,
        core.clock.now(),
        actor=ACTOR,
        jurisdiction=policy,
        choice_days=choice_days,
        share_subdomains=None if subdomains is None else subdomains == "shared",
        promote_days=promote_days,
        family=family or None,
        parameters=allow_parameter or None,
        path_templates=path_template or None,
        property_keys=property_key or None,
    )
    rules = site.rules
    kinds = {
        "parameters": rules.parameters,
        "path_templates": rules.path_templates,
        "property_keys": rules.property_keys,
    }
    if as_json:
        told = {"domain": site.domain, "policy": site.jurisdiction.value, **kinds, "choice_days": site.choice_days}
        more = {"share_subdomains": site.share_subdomains, "promote_days": site.promote_days}
        click.echo(json.dumps(told | more | {"family": site.family}))
    else:
        click.echo(f"policy: {site.jurisdiction}")
        for kind, lines in kinds.items():
            click.echo(f"{kind.replace('_', ' ')}: {', '.join(lines) or 'none'}")
        where = f"{site.cookie_domain} and all below it" if site.cookie_domain else "each host for itself"
        click.echo(f"an answer holds: {site.choice_days} days, {where}")
        joined = {one.domain for one in family_of(site, core.sites.all())}
        named = [name if name in joined else f"{name} (once it names this site too)" for name in site.family]
        click.echo(f"one choice with: {', '.join(named) or 'no other site'}")
        earlier = f"and rows of {site.promote_days} days before" if site.promote_days else "alone"
        click.echo(f"at sign-in goes to the account: the visit {earlier}")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(as_json: bool) -> None:
    """List the sites."""
    from webmon.core import Core

    sites = Core().sites.all()
    if as_json:
        rows = [{"domain": s.domain, "timezone": s.timezone, "mode": s.mode.value} for s in sites]
        click.echo(json.dumps(rows))
    else:
        for site in sites:
            click.echo(f"{site.domain}  {site.mode}  {site.timezone}")


@command.command("login-key")
@click.argument("domain")
@click.option("--public-key", type=click.File(encoding="utf-8"), help="Register this Ed25519 public key instead.")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, MOST_HOURS),
    help="Accept the older key for so long, and then no more.",
)
@click.option("--replaces", default="", help="Which one that is, as login-keys lists it, where there are several.")
def login_key(domain: str, public_key: IO[str] | None, overlap_hours: int | None, replaces: str) -> None:
    """Make a key that signs login tokens of DOMAIN, and print it, once; or register the public half of a key of
    yours, and print its number. Older keys go on to be accepted."""
    from webmon.core import Core

    core = Core()
    site, now = core.sites.get(domain), core.clock.now()
    if replaces and overlap_hours is None:
        raise InvalidInput.field("overlap_hours", "must say for how long the key that is replaced is accepted")
    overlap = None if overlap_hours is None else timedelta(hours=overlap_hours)
    if public_key is not None:
        text = _read(public_key)
        key = core.sites.add_public_key(site, text, now, actor=ACTOR, overlap=overlap, replaces=replaces)
        click.echo(f"Tokens of {site.domain} that are signed with its private half (EdDSA) are accepted.")
        click.echo(key.id)
        return
    click.echo(f"Login key of {site.domain} (HS256); keep it on the website's backend. It is not shown again.")
    click.echo(core.sites.new_login_key(site, now, actor=ACTOR, overlap=overlap, replaces=replaces))


@command.command("login-keys")
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def login_keys(domain: str, as_json: bool) -> None:
    """List the keys that login tokens of DOMAIN may be signed with: number, algorithm, since when, until when."""
    from webmon.core import Core

    core = Core()
    kept = core.sites.kept_login_keys(core.sites.get(domain))
    if as_json:
        rows = [
            {
                "key_id": one.key.id,
                "algorithm": one.key.algorithm,
                "created_at": one.created_at.isoformat(),
                "ends_at": one.ends_at and one.ends_at.isoformat(),
            }
            for one in kept
        ]
        click.echo(json.dumps(rows))
        return
    for one in kept:
        until = f"until {one.ends_at:%Y-%m-%d %H:%M} UTC" if one.ends_at else "with no end"
        click.echo(f"{one.key.id}  {one.key.algorithm}  since {one.created_at:%Y-%m-%d %H:%M} UTC  {until}")


@command.command("end-login-key")
@click.argument("domain")
@click.option("--key", "key_id", required=True, help="Its number, as login-keys lists it.")
@click.option(
    "--after-hours", default=0, show_default=True, type=click.IntRange(0, MOST_HOURS), help="Only after so long."
)
def end_login_key(domain: str, key_id: str, after_hours: int) -> None:
    """Accept tokens of DOMAIN that are signed with a key no more."""
    from webmon.core import Core

    core = Core()
    site, after = core.sites.get(domain), timedelta(hours=after_hours)
    ends_at = core.sites.end_login_key(site, key_id, core.clock.now(), actor=ACTOR, after=after)
    click.echo(f"The key ends at {ends_at:%Y-%m-%d %H:%M} UTC.")


@command.group()
def services() -> None:
    """The cookie register of a site, as a file."""


@services.command("export")
@click.argument("domain")
def export_services(domain: str) -> None:
    """Print the cookie register of DOMAIN as JSON; webmon's own service is not part of it."""
    from webmon.core import Core

    core = Core()
    click.echo(json.dumps(core.register.export(core.sites.get(domain)), indent=2, ensure_ascii=False))


@services.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--site", required=True, help="The site whose register it becomes.")
@click.option("--publish", is_flag=True, help="Put it in force, in new notices.")
def import_services(file: IO[str], site: str, publish: bool) -> None:
    """Put the cookie register in FILE, as exported, in the place of the site's; - reads from the standard input."""
    from webmon.core import Core

    core = Core()
    found, now = core.sites.get(site), core.clock.now()
    try:
        listed = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InvalidInput.field("file", f"is not JSON: {error}") from error
    count = core.register.replace(found, listed, now, actor=ACTOR)
    click.echo(f"{count} services are in the register of {found.domain}.")
    if publish:
        new = core.register.publish(found, now, actor=ACTOR)
        click.echo(f"In force in {len(new)} new notices.")


def _read(file: IO[str]) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise InvalidInput.field("public_key", "is no text: neither PEM nor a JWK") from error

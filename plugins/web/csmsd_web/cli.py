"""`csmsd user` and `csmsd token`: who may use a running csmsd, over its management API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import msgspec

from csmsd.cli.failure import Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_web.principals import SCOPE_OF, SCOPES
from csmsd_web.routes_tokens import NewToken
from csmsd_web.routes_users import NewLink
from csmsd_web.tokens import Token
from csmsd_web.users import User

ROLES = click.Choice(list(SCOPE_OF))
SPAN = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@click.group()
def user() -> None:
    """Users: add, list, set, remove, password, link."""


@user.command("list")
@takes_server
def list_users(client: ApiClient, output: Output) -> None:
    """List users."""
    output.rows(
        client.items("/users"),
        User,
        (
            ("user", lambda row: row.name),
            ("role", lambda row: row.role),
            ("may come in", lambda row: not row.is_disabled),
            ("has a password", lambda row: row.password_changed_at is not None),
            ("last log-in", lambda row: row.last_login_at),
            ("added by", lambda row: row.created_by),
        ),
        "no users: `csmsd user add <name> --role administrator` adds the first one",
    )


@user.command("add")
@click.argument("name")
@click.option("--role", type=ROLES, default="viewer", help="What the user may do. [viewer]")
@click.option("--password", metavar="PASSWORD", help="Its password; - asks for it. Without: a one-time link is made.")
@takes_server
def add_user(client: ApiClient, output: Output, name: str, role: str, password: str | None) -> None:
    """Add a user: with a one-time link to choose a password by, or with a password.

    A viewer looks, an operator sends commands and changes stations and tags, an administrator does everything.
    """
    body = {"name": name, "role": role}
    answer = client.post("/users", body if password is None else body | {"password": _password(password)})
    added = msgspec.json.decode(answer, type=User)
    if password is not None:
        output.record(answer, lambda: f"{added.name} is added as {added.role}")
        return
    _show_link(client, output, added.name, f"{added.name} is added as {added.role}.")


@user.command("set")
@click.argument("name")
@click.option("--role", type=ROLES, help="What the user may do.")
@click.option("--disable/--enable", "is_disabled", default=None, help="Shut the user out, or let it in again.")
@takes_server
def set_user(client: ApiClient, output: Output, name: str, role: str | None, is_disabled: bool | None) -> None:
    """Change a user; what is not given stays. Its sessions end."""
    fields = {"role": role, "is_disabled": is_disabled}
    body = {key: value for key, value in fields.items() if value is not None}
    if not body:
        raise click.UsageError("nothing to change: give --role, --disable or --enable")
    answer = client.put(f"/users/{segment(name)}", body)
    changed = msgspec.json.decode(answer, type=User)
    output.record(answer, lambda: f"{changed.name} is {changed.role}{', and shut out' if changed.is_disabled else ''}")


@user.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes_server
def remove_user(client: ApiClient, output: Output, name: str, yes: bool) -> None:
    """Forget a user; its sessions, tokens and links are no good any more."""
    path = f"/users/{segment(name)}"
    client.get(path)
    if not yes:
        click.confirm(f"Remove {name}?", abort=True, err=True)
    client.delete(path)
    output.done(f"{name} is removed")


@user.command("password")
@click.argument("name")
@click.option("--password", metavar="PASSWORD", default="-", help="The new password. [asked for]")
@takes_server
def set_password(client: ApiClient, output: Output, name: str, password: str) -> None:
    """Set a user's password. Its sessions end."""
    answer = client.put(f"/users/{segment(name)}/password", {"password": _password(password)})
    output.record(answer, lambda: f"{name} has a new password")


@user.command("link")
@click.argument("name")
@takes_server
def make_link(client: ApiClient, output: Output, name: str) -> None:
    """Make a one-time link with which a user chooses a password; an older one is no good any more."""
    _show_link(client, output, name, "")


@click.group()
def token() -> None:
    """API tokens: add, list, remove."""


@token.command("list")
@takes_server
def list_tokens(client: ApiClient, output: Output) -> None:
    """List API tokens; their texts cannot be shown."""
    output.rows(
        client.items("/tokens"),
        Token,
        (
            ("token", lambda row: row.id),
            ("name", lambda row: row.name),
            ("scope", lambda row: row.scope),
            ("user", lambda row: row.user),
            ("expires", lambda row: row.expires_at),
            ("last used", lambda row: row.last_used_at),
            ("made by", lambda row: row.created_by),
        ),
        "no tokens",
    )


@token.command("add")
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), default="read", help="What it is good for. [read]")
@click.option("--expires", metavar="WHEN", help="A day (2027-01-31), a moment with its zone, or a span: 90d, 12h, 30m.")
@click.option("--user", "owner", metavar="USER", help="Whose it is: good while the user may come in, for no more.")
@takes_server
def add_token(client: ApiClient, output: Output, name: str, scope: str, expires: str | None, owner: str | None) -> None:
    """Make an API token and print it, this once."""
    body: dict[str, Any] = {"name": name, "scope": scope}
    if expires is not None:
        body["expires_at"] = moment_of(expires, datetime.now(UTC))
    if owner is not None:
        body["user"] = owner
    answer = client.post("/tokens", body)
    made = msgspec.json.decode(answer, type=NewToken)
    output.record(
        answer, lambda: f"{made.text}\nThis is token {made.token.id}, scope {made.token.scope}; shown only now."
    )


@token.command("remove")
@click.argument("token_id", metavar="TOKEN")
@takes_server
def remove_token(client: ApiClient, output: Output, token_id: str) -> None:
    """Revoke an API token, by its id as `csmsd token list` shows it."""
    client.delete(f"/tokens/{segment(token_id)}")
    output.done(f"token {token_id} is revoked")


def moment_of(text: str, now: datetime) -> datetime:
    """A moment from a span or a date; click.BadParameter if it is neither, or has passed."""
    span = SPAN.fullmatch(text)
    try:
        moment = now + timedelta(**{UNITS[span[2]]: int(span[1])}) if span else datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date and no span like 90d", param_hint="--expires") from None
    moment = moment.astimezone(UTC)
    if moment <= now:
        raise click.BadParameter(f"{text} has passed", param_hint="--expires")
    return moment


def _password(given: str) -> str:
    """Given in the command line, or asked for."""
    if given != "-":
        return given
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if not password:
        raise Failure("a password is needed")
    return password


def _show_link(client: ApiClient, output: Output, name: str, before: str) -> None:
    answer = client.post(f"/users/{segment(name)}/link")
    link = msgspec.json.decode(answer, type=NewLink)
    until = f"{link.expires_at.astimezone():%Y-%m-%d %H:%M}"
    words = f"{before} To choose a password, once, until {until}:\n  {link.url or client.url + link.path}".strip()
    output.record(answer, lambda: words)

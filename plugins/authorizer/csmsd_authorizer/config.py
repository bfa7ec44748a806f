"""`[plugin.authorizer]`: whom to ask, how long, and what counts when there is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from csmsd.config import Config
from csmsd.errors import ConfigError
from csmsd_core import Purpose

Outcome = Literal["refuse", "tag_table"]
Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
ALLOWS_ALL = (
    "[plugin.authorizer] allow_all is on: EVERY id tag may charge, but for those that are blocked or expired in the tag"
    " table; set it to false and name a url unless charging is free here"
)


class AuthorizerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds. Secrets are in files, so that no listing of settings shows them."""

    url: Annotated[str, "Where id tags are asked about: https://billing.example/authorize."] = ""
    allow_all: Annotated[bool, "Instead: let everybody charge whom the tag table neither blocks nor lets expire."] = (
        False
    )
    when_unavailable: Annotated[
        Outcome,
        "What counts while the backend is slow or down. refuse: nobody is let in on the strength of it, see the README."
        " tag_table: what the operator's tag table knows; for other tags as refuse.",
    ] = "refuse"
    when_unavailable_for: Annotated[
        dict[Purpose, Outcome], "Exceptions from that, for authorize, start, stop or remote."
    ] = {}
    time_limit: Annotated[Seconds, "For an answer, the wait for a free connection included."] = 2.0
    at_once: Annotated[Count, "Questions that are on their way at the same time; the backend never gets more."] = 16
    waiting: Annotated[Count, "Questions that wait for that; more get no answer, at once."] = 1000
    cache_ttl: Annotated[float, Meta(ge=0), "How long an Accepted is good for the same tag and station; 0: never."] = (
        30.0
    )
    cache_size: Annotated[Count, "How many of them are kept."] = 10_000
    breaker_failures: Annotated[Count, "After so many failures in a row nobody waits for the backend for a while."] = 5
    breaker_pause: Annotated[Seconds, "For so long; then one question tries it again."] = 10.0
    token_file: Annotated[str, "File with a token: sent as `Authorization: Bearer`."] = ""
    hmac_key_file: Annotated[str, "File with a key: questions are signed with it, see the README."] = ""
    ca_file: Annotated[str, "Roots to trust for https, PEM; else the system's."] = ""

    def outcome_for(self, purpose: Purpose) -> Outcome:
        """What counts without an answer."""
        return self.when_unavailable_for.get(purpose, self.when_unavailable)


def check(own: AuthorizerConfig) -> None:
    """ConfigError if nothing can work with these settings."""
    if own.allow_all == bool(own.url):
        raise ConfigError("[plugin.authorizer] needs either a url to ask or allow_all = true")
    if own.url:
        parts = urlsplit(own.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"[plugin.authorizer] url {own.url!r} is no URL like https://billing.example/authorize")
    for name in ("token_file", "hmac_key_file", "ca_file"):
        read_file(name, getattr(own, name))


def read_file(name: str, path: str) -> bytes | None:
    """The content of a file that a setting names, without the line end; None if it names none; ConfigError."""
    if not path:
        return None
    try:
        content = Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"[plugin.authorizer] {name}: {path} cannot be read: {error.strerror}") from error
    if not content:
        raise ConfigError(f"[plugin.authorizer] {name}: {path} is empty")
    return content


def remarks(own: AuthorizerConfig, config: Config) -> Iterator[str]:
    """What had better be otherwise."""
    if own.allow_all:
        yield ALLOWS_ALL
        return
    parts = urlsplit(own.url)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        yield f"[plugin.authorizer] url: id tags travel to {parts.hostname} unencrypted; use https"
    if own.time_limit >= config.limits.hook_timeout:
        yield (
            f"[plugin.authorizer] time_limit = {own.time_limit:g} is not shorter than limits.hook_timeout ="
            f" {config.limits.hook_timeout:g}, so when_unavailable would not count; shorten it"
        )
    core = config.plugin.get("core", {})
    if own.outcome_for("start") == "refuse" and core.get("start_unverified", True):
        yield (
            "[plugin.authorizer] refuses without an answer, but a StartTransaction of a tag that nobody knows is then"
            " Accepted for an hour (AUTH-14); set start_unverified = false in [plugin.core] if it must not be"
        )

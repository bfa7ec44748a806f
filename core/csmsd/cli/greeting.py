"""What `csmsd run` says when it is up: where to point a charger, what is open to everybody, what to type next."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence

from csmsd.client import URL_FILE
from csmsd.config import Config
from csmsd.errors import ConfigError
from csmsd.listening import parse_address

_ELSEWHERE = ("192.0.2.1", 9)  # documentation prefix: never reached, and nothing is sent


def text(config: Config, urls: Sequence[str], more: Iterable[tuple[str, str]] = ()) -> str:
    """The lines for the terminal."""
    lines = ["csmsd is up.", *(f"  stations   {reachable(url)}/<station id>" for url in urls)]
    if (config.data_dir / URL_FILE).exists():
        lines.append(f"  operators  {(config.data_dir / URL_FILE).read_text(encoding='utf-8').strip()}")
    lines += [f"  {heading:<9}  {line}" for heading, line in more]
    if config.access.unknown_stations == "register":
        lines.append("  next       enter the URL in your charger, then: csmsd tail")
    else:
        lines.append("  next       csmsd station add <station id>   prints the key and URL to enter in the charger")
    return "\n".join(lines)


def warnings(config: Config) -> Iterator[str]:
    """What somebody should know who did not mean it."""
    if config.access.unknown_stations == "register":
        yield "TRIAL MODE: every station that knocks is registered and let in. Do not use this in the field."
    if config.access.authentication != "required":
        which = "no password is asked for" if config.access.authentication == "none" else "passwords are optional"
        yield f"stations are not authenticated: {which} (access.authentication)"
    if config.listen.ocpp and not _is_loopback(config.listen.ocpp):
        yield f"stations connect unencrypted on {config.listen.ocpp}: everybody on that network can read and forge"
    if config.listen.http and not _is_loopback(config.listen.http):
        yield f"the management API is unencrypted on {config.listen.http}: tokens can be read on that network"


def reachable(url: str) -> str:
    """The URL with an address in place of "every interface"."""
    for everywhere in ("://[::]:", "://0.0.0.0:"):
        if everywhere in url:
            return url.replace(everywhere, f"://{own_address()}:")
    return url


def own_address() -> str:
    """The address under which other machines most likely see this one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def _is_loopback(address: str) -> bool:
    try:
        return parse_address(address, "listen.ocpp").is_loopback
    except ConfigError:
        return False

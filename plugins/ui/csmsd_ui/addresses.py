"""The addresses that people type into chargers, and the QR code of one: chargers ask for them in three ways."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import segno

from csmsd.host import Host
from csmsd_ui.rendering import segment

QUIET = 2  # modules around the code


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code as one SVG path; its size in modules."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a station connects."""

    base: str  # for chargers that add their identity themselves
    whole: str
    parts: str  # host, port, path
    code: Code
    is_local: bool  # only this machine can reach it


def addresses_for(host: Host, station_id: str) -> Sequence[Address]:
    """One for each listener; what is set as `listen.public_url` comes alone."""
    bases = [host.config.listen.public_url] if host.config.listen.public_url else list(host.ocpp_urls)
    return [_address(base.rstrip("/"), station_id) for base in bases]


def _address(base: str, station_id: str) -> Address:
    whole = f"{base}/{segment(station_id)}"
    parts = urlsplit(base)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return Address(base, whole, f"{parts.hostname}, {port}, {parts.path or '/'}", code_of(whole), is_local)


def code_of(text: str) -> Code:
    """A text as a QR code."""
    made = segno.make(text, error="m", micro=False)
    rows: list[str] = []
    for y, row in enumerate(made.matrix):
        rows += [f"M{x} {y}h1v1h-1z" for x, module in enumerate(row) if module]
    return Code("".join(rows), len(made.matrix))


def svg_of(text: str) -> str:
    """The same as a file, for printing."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", scale=8, border=QUIET)
    return out.getvalue().decode()

"""Flags: machine words on what was stored although something is odd about it. Each begins with its requirement's id."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from csmsd.ocpp.decoding import Deviation

_POSITION = re.compile(r"\[\d+\]")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


def flag_of(deviation: Deviation) -> str:
    """A tolerated deviation as a flag, without array positions: "VAL-14 meterValue.sampledValue.unit"."""
    return f"{deviation.rule} {_POSITION.sub('', deviation.path)}"


def unique(flags: Iterable[str]) -> tuple[str, ...]:
    """The flags without repetitions, in order."""
    return tuple(dict.fromkeys(flags))


def to_text(flags: Iterable[str]) -> str:
    """As stored."""
    return _encode(unique(flags)).decode()


def from_text(text: str) -> tuple[str, ...]:
    """As read."""
    return _decode(text)

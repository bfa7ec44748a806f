"""Where time, identity and chance come from: passed in everywhere, so that tests and simulations can replace them."""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trio


def utc_now() -> datetime:
    """The wall clock, with UTC as its zone."""
    return datetime.now(UTC)


def new_uuid() -> str:
    """36 characters, unique over connections and restarts (RPC-10)."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Env:
    """The outside world, as far as it is not a socket or a disk."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = trio.current_time  # seconds; the clock of deadlines
    new_id: Callable[[], str] = new_uuid
    token_bytes: Callable[[int], bytes] = secrets.token_bytes
    random: random.Random = field(default_factory=random.Random)  # jitter only, never secrets

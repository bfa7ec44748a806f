"""The journal: every exchange with a station, why it was answered so, what was wrong with it. Secrets are masked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from csmsd.ocpp.decoding import Deviation

Outcome = Literal["answered", "pending", "passed over", "failed", "too slow", "refused", "absorbed"]


class Decision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step of the decision trace: which plugin was asked, what came of it, and how long it took.

    The steps come in the order in which they ended. A note that begins with "deciding " names a hook that was asked on
    the way to the answer, as far as plain code has asked it: `authorize_id_tag` for an Authorize, a guard for any CALL.
    """

    plugin: str
    outcome: Outcome
    microseconds: int  # of this step; after "pending" the wait until it was stored
    note: str = ""


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """A CALL and what became of it, or a frame that was no proper CALL (then `action` is empty)."""

    station_id: str
    direction: Literal["in", "out"]  # in: the station called
    call_id: str
    action: str
    request: str  # the payload's JSON text, redacted; of a malformed frame: its text, shortened
    response: str | None  # the answer's payload, redacted; of a CALLERROR its description; None: there was none
    # CALLERROR code; "" for a CALLRESULT; else "timeout", "disconnected", "malformed", "late", "unstored", "duplicate"
    error: str
    at: datetime  # when the CALL arrived or was put on the line
    microseconds: int  # until it was answered or given up
    deviations: tuple[Deviation, ...] = ()
    trace: tuple[Decision, ...] = ()
    id: int = 0  # set when it is read from the database


class ExchangeFilter(msgspec.Struct, frozen=True):
    """Which exchanges to read: everything given must match; newest first."""

    station_id: str | None = None
    action: str | None = None
    only_errors: bool = False
    only_deviating: bool = False
    before_id: int | None = None
    after_id: int | None = None
    limit: int = 100


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to connect, for the connection doctor."""

    at: datetime
    peer: str
    stage: str  # tcp, tls, upgrade, path, readiness, identity, credentials, profile, subprotocol, admitted
    cause: str  # one sentence, without secrets; "" when admitted
    station_id: str = ""
    listener: str = ""
    subprotocols: tuple[str, ...] = ()
    user_agent: str = ""
    count: int = 1  # equal attempts in a row are counted, not listed
    id: int = 0


class DeviationCount(msgspec.Struct, frozen=True):
    """How often a station deviated from one rule (VAL-17)."""

    station_id: str
    rule: str
    path: str
    count: int
    last_at: datetime
    example: str


class Journal(ABC):
    """Reads what has been recorded; the kernel alone writes."""

    @abstractmethod
    async def exchanges(self, wanted: ExchangeFilter) -> Sequence[Exchange]:
        """Exchanges with stations, newest first."""

    @abstractmethod
    async def attempts(self, *, station_id: str | None = None, limit: int = 100) -> Sequence[Attempt]:
        """Attempts to connect, newest first."""

    @abstractmethod
    async def deviations(self, *, station_id: str | None = None) -> Sequence[DeviationCount]:
        """Deviation counters, the most frequent first."""

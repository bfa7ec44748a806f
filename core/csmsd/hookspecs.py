"""The kernel's hooks, and the markers with which everybody declares and implements hooks.

Each docstring answers, in this order: when it is called; what to return; what happens if you raise or are slow; whether
it may be called twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import msgspec
import pluggy

from csmsd.ocpp.errors import OcppError

if TYPE_CHECKING:
    from csmsd.command import AnyCommand
    from csmsd.errors import CsmsdError
    from csmsd.journal import Exchange
    from csmsd.station import Station, StationRecord, StationRegistered

F = TypeVar("F", bound=Callable[..., Any])

# plain: `def` only, must not wait. async: `async def` only. either: each implementation chooses; a plain one answers on
# the fast path and may return a `Pending`, an `async def` runs in a pooled task.
Colour = Literal["plain", "async", "either"]

COLOUR_ATTRIBUTE = "csmsd_colour"

FORMER_ATTRIBUTE = "csmsd_former"

hookimpl = pluggy.HookimplMarker("csmsd")
_mark_spec = pluggy.HookspecMarker("csmsd")


@dataclass(frozen=True, slots=True)
class Former:
    """Says that a hook is the former shape of another: plugins that implement it are asked when the other is.

    A plugin that implements both is asked by the new one. `until` is the release without the former hook; the rules
    are in docs/compatibility.md.
    """

    now: Callable[..., Any]  # the hook that has taken its place
    since: str  # the release that brought it
    until: str
    write: str  # what to write instead, in one sentence
    arguments: Callable[..., tuple[Any, ...]] | None = (
        None  # the former arguments from the new; None: those of the name
    )
    answer: Callable[[Any], Any] | None = None  # the new answer from the former; None: as it is


def hookspec(*, colour: Colour = "async", former: Former | None = None) -> Callable[[F], F]:
    """Declare a hook. The colour is checked when a plugin is registered, never when the hook is called."""

    def mark(function: F) -> F:
        setattr(function, COLOUR_ATTRIBUTE, colour)
        setattr(function, FORMER_ATTRIBUTE, former)
        return _mark_spec(function)

    return mark


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """A WebSocket upgrade that is well-formed but not yet trusted."""

    target: str  # the raw request target, not percent-decoded (WS-04)
    authorization: bytes | None  # the value of the Authorization header, as received (WS-22)
    subprotocols: tuple[str, ...]  # in the order offered
    peer: str  # "host:port"
    listener: str = "ocpp"  # the name of the listener it came through
    is_tls: bool = False
    client_certificate: bytes | None = None  # DER, verified by TLS; None without one
    user_agent: str = ""
    station_id: str = ""  # the decoded identity; filled in by the kernel before a plugin sees the request


class Verdict(NamedTuple):
    """The answer to `authenticate_station`. Refusals look alike from outside (WS-14); `cause` is for the operator."""

    is_admitted: bool
    cause: str = ""  # for a refusal: one sentence, without secrets
    security_profile: int = 0  # 0..3, the effective one (SEC-02)
    stage: str = "credentials"  # what was refused: identity, credentials or profile
    retry_after: int = 0  # seconds; a refusal because csmsd cannot judge now: 503 instead of 401 (WS-42)


REJECT = Verdict(False, "no plugin could judge the credentials")


class Metric(NamedTuple):
    """One figure for /metrics, read when it is asked for."""

    name: str  # without the prefix `csmsd_`
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    type: Literal["gauge", "counter"] = "gauge"


class PluginFailure(msgspec.Struct, frozen=True):
    """An implementation raised, was too slow or answered nonsense."""

    plugin: str
    hook: str
    reason: str
    consecutive: int
    is_quarantined: bool


@hookspec(colour="plain")
def report_metrics() -> Iterable[Metric]:
    """Asked for every scrape of /metrics.

    Return figures that are at hand. A failure costs only this plugin's figures. Called as often as somebody scrapes.
    """
    raise AssertionError


@hookspec(colour="plain")
def greet() -> Iterable[tuple[str, str]]:
    """Asked once, when `csmsd run` is up and tells the person at the terminal how to go on.

    Return pairs of a short heading and a line. A failure costs only this plugin's lines.
    """
    raise AssertionError


@hookspec(colour="either")
def authenticate_station(request: ConnectRequest) -> Verdict | None:
    """Asked once for every upgrade of a station whose identity is known, before anything is answered.

    Return a Verdict, or None to leave it to the next plugin; the kernel's own answer comes last: Basic credentials
    against the station's stored secret (WS-20..WS-25). If you raise or are slow the station is refused (fail closed).
    May be called again at once: stations retry.
    """
    raise AssertionError


@hookspec(colour="plain")
def report_client_roots() -> Iterable[str]:
    """Asked when the listeners' certificates are read: at start, and when they are read again.

    Return PEM texts of roots whose certificates stations may show, beside `listen.client_roots` (SEC-20). If you raise
    you are passed over: stations with such a certificate are refused. Called again for every reading.
    """
    raise AssertionError


@hookspec(colour="either")
def judge_certificate(record: StationRecord, certificate: bytes) -> str | None:
    """Asked for a client certificate (DER) that TLS has verified and that names this station (SEC-20..SEC-24).

    Return one sentence why it does not count, for instance that it is revoked, "" to let it count whatever others
    think, or None to leave it to the next plugin; the kernel lets it count. If you raise or are slow it does not count
    (fail closed). Called for every upgrade with such a certificate.
    """
    raise AssertionError


@hookspec()
async def station_registered(station_id: str, fact: StationRegistered, fact_id: int) -> None:
    """A fact: a station that was not known got a record, from an operator or at first contact (WS-07).

    Called after the COMMIT, in order with the station's other facts, at least once: the same `fact_id` may come twice.
    Returning takes the fact; if you raise or are slow it is delivered again, and in the end set aside for the operator.
    """


@hookspec()
async def station_connected(station: Station) -> None:
    """A station has been admitted and its connection is open; also called for those online when a plugin is enabled.

    Returns nothing. A failure or slowness delays nobody. May be called again for a station without a
    `station_disconnected` in between when a newer connection replaces an older one.
    """


@hookspec()
async def station_disconnected(station: Station, reason: str) -> None:
    """The connection of a station is gone. It says nothing about its transactions (WS-34).

    Returns nothing. A failure or slowness delays nobody; shielded for 5 s when csmsd stops. Called once for each
    connection.
    """


@hookspec(colour="plain")
def guard_call(station: Station, action: str) -> OcppError | None:
    """Asked for every CALL of a station before its payload is decoded.

    Return an OcppError to refuse it, None to let it pass. If you raise you are passed over. Called for retries too.
    """
    raise AssertionError


@hookspec(colour="plain")
def command_warnings(station: Station, command: AnyCommand, request: msgspec.Struct) -> Iterable[str]:
    """Asked before a command is sent, what about it is likely to be refused or to surprise (OP-02).

    Return one sentence for each finding; they are shown and do not stop the command. A failure is passed over. May be
    called several times for one command.
    """
    raise AssertionError


@hookspec()
async def guard_command(station: Station, command: AnyCommand, request: msgspec.Struct) -> str | None:
    """Asked before a command is sent to a station.

    Return one sentence why it must not be sent, or None. If you raise or are slow you are passed over. Called once.
    """


@hookspec()
async def prepare_command(station: Station, command: AnyCommand, request: msgspec.Struct) -> None:
    """Called when nobody has refused a command, right before it is queued for the line.

    Make durable what must be known before the station can act on it (SEC-33). Raise `CallRefused` to stop it; any other
    exception stops it too. Called once for each command.
    """


@hookspec(colour="plain")
def command_handled(station: Station, command: AnyCommand, request: msgspec.Struct, response: msgspec.Struct) -> None:
    """A station answered a command with a CALLRESULT, in time or late (RPC-24); called before the sender is told.

    Update mirrors here: submit writes, do not wait. A failure is logged. Called once for each answer.
    """


@hookspec(colour="plain")
def command_failed(station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
    """A command got a CALLERROR, no answer in time, or lost its connection; or it was prepared and then not sent.

    `error` is CallFailed, InvalidResponse, CallTimeout, StationUnavailable, or NeverSent for the last. After a
    CallTimeout `command_handled` may still follow. Returns nothing. A failure is logged. Called once for each command.
    """


@hookspec()
async def call_handled(station: Station, exchange: Exchange) -> None:
    """A CALL of a station has been answered, with a result or an error.

    For observers; the answer has left. Returns nothing. Failures and slowness delay nobody; under load exchanges may be
    skipped. Called once for each exchange.
    """


@hookspec()
async def frame_rejected(station: Station, raw: bytes, reason: str) -> None:
    """A message was not an OCPP-J frame, or an answer nobody waits for; the connection goes on (RPC-35).

    Returns nothing. Failures and slowness delay nobody. Called once for each message; under load some may be skipped.
    """


@hookspec()
async def plugin_failed(failure: PluginFailure) -> None:
    """An implementation of a plugin failed.

    Returns nothing. Never re-entered: failures in here are only logged. Called once for each failure.
    """

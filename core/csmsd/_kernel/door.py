"""The door: who may connect. Every attempt is recorded with the stage it reached and its cause, for the operator."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from csmsd._kernel.authentication import BUSY_PAUSE, UNKNOWN, Authenticator
from csmsd._kernel.registry import Occupant, Registry
from csmsd._kernel.stationbook import StationBook
from csmsd._kernel.throttle import Throttle
from csmsd._kernel.transport.link import SUBPROTOCOL, Admission, Door, Link, Receiver
from csmsd.config import Config
from csmsd.env import Env
from csmsd.errors import Bug, StoreError
from csmsd.events import Events
from csmsd.hookspecs import REJECT, ConnectRequest, Verdict, authenticate_station
from csmsd.host import Hooks
from csmsd.journal import Attempt
from csmsd.ocpp.identity import identity_of
from csmsd.pending import Pending
from csmsd.throttling import address_of

log = logging.getLogger("csmsd.door")
security = logging.getLogger("csmsd.security")

LONGEST_TEXT = 255  # characters of a peer's header that are recorded
MOST_SUBPROTOCOLS = 8
FLOOD_REPORT_INTERVAL = 1.0  # seconds between two records of sockets closed unread


class Resident(Occupant, Receiver, Protocol):
    """A connection: what the backend calls, and what the registry keeps."""


@dataclass(frozen=True, slots=True)
class Household:
    """What is behind the door."""

    hooks: Hooks
    book: StationBook
    authenticator: Authenticator
    registry: Registry
    throttle: Throttle
    events: Events
    env: Env
    make_connection: Callable[[ConnectRequest, Admission, Link], Resident]
    record_attempt: Callable[[Attempt], None]
    not_ready_because: Callable[[], str]  # "" when stations may come
    held: Callable[[], Pending[bytes | None] | None] = lambda: None  # those who come while plugins are exchanged wait


class _RefusedError(Exception):
    """A refusal on its way out of `knock`."""

    def __init__(self, status: int, stage: str, cause: str, retry_after: int = 0) -> None:
        super().__init__(cause)
        self.status, self.stage, self.cause, self.retry_after = status, stage, cause, retry_after


class _Deaf:
    """The receiver of a connection that is being closed."""

    def receive(self, message: bytes) -> None:
        """Nothing is heard any more."""

    def lost(self, reason: str) -> None:
        """Nobody misses it."""


class KernelDoor(Door):
    """Asks in the order of WS-14: path, readiness, identity and credentials, profile, subprotocol."""

    def __init__(self, config: Config, household: Household) -> None:
        self._paths, self._access, self._limits = config.listen.paths, config.access, config.limits
        self._tls_profile = config.listen.tls_profile
        self._house = household
        self._no_flood_report_before = -math.inf
        self.refusals: Counter[str] = Counter()  # since start, by stage
        self.admitted = 0

    # -- sockets ---------------------------------------------------------------------------------

    def is_open(self, peer: str) -> bool:
        """See Door."""
        cause = self._house.throttle.admit_socket(peer)
        if not cause:
            return True
        self.refusals["tcp"] += 1
        now = self._house.env.monotonic()
        if now >= self._no_flood_report_before:
            self._no_flood_report_before = now + FLOOD_REPORT_INTERVAL
            log.warning("a connection from %s was closed unread: %s", peer, cause)
            self._record(Attempt(self._house.env.now(), address_of(peer), "tcp", cause))
        return False

    def refused(self, peer: str) -> None:
        """See Door."""
        self._house.throttle.release_socket(peer)

    def turned_away(self, peer: str, stage: str, cause: str, target: str = "") -> None:
        """See Door."""
        self.refusals[stage] += 1
        self._record(Attempt(self._house.env.now(), peer, stage, cause, identity_of(target, self._paths) or ""))

    # -- upgrades --------------------------------------------------------------------------------

    async def knock(self, request: ConnectRequest) -> Admission:
        """See Door."""
        station_id = identity_of(request.target, self._paths)
        request = replace(request, station_id=station_id or "")
        try:
            if station_id is None:
                raise self._lost_way(request)
            self._check_readiness()
            if (held := self._house.held()) is not None:
                await held
            verdict = await self._authenticate(request)
            self._check_room(request)
            with_subprotocol = self._check_subprotocol(request)
            await self._note_upgrade(request, verdict)
        except _RefusedError as refusal:
            self._note(request, refusal.stage, refusal.cause)
            return Admission(refusal.status, retry_after=refusal.retry_after, realm=self._access.realm)
        except Bug as error:
            about = {"station": request.station_id, "peer": request.peer}
            log.exception("%r from %s could not be judged", request.station_id, request.peer, extra=about)
            self._note(request, "readiness", f"csmsd failed to judge it: {type(error).__name__}")
            return Admission(503, retry_after=self._pause(), realm=self._access.realm)
        return Admission(
            101, station_id, verdict.security_profile, realm=self._access.realm, with_subprotocol=with_subprotocol
        )

    def enter(self, request: ConnectRequest, admission: Admission, link: Link) -> Receiver:
        """See Door."""
        house = self._house
        house.throttle.release_socket(request.peer)
        request = replace(request, station_id=admission.station_id)
        if not admission.with_subprotocol:
            link.close(1002, "no common subprotocol")  # WS-13
            return _Deaf()
        if house.book.look_up(admission.station_id) is None:
            self._note(request, "identity", "the station was removed while it was connecting")
            link.close(1008, "this station is not registered any more")
            return _Deaf()
        house.throttle.succeeded(admission.station_id, request.peer)
        connection = house.make_connection(request, admission, link)
        house.registry.enter(connection)
        self.admitted += 1
        self._note(request, "admitted", "")
        return connection

    # -- the checks ------------------------------------------------------------------------------

    def _lost_way(self, request: ConnectRequest) -> _RefusedError:
        path = request.target.partition("?")[0][:LONGEST_TEXT]
        wanted = " or ".join(f"{path.rstrip('/')}/<identity>" for path in self._paths)
        return _RefusedError(404, "path", f"the path {path!r} does not have the form {wanted}")

    def _check_readiness(self) -> None:
        cause = "csmsd is going down" if self._house.registry.is_draining else self._house.not_ready_because()
        if cause:
            raise _RefusedError(503, "readiness", cause, self._pause())

    async def _authenticate(self, request: ConnectRequest) -> Verdict:
        house = self._house
        pause = house.throttle.guessing_pause(request.station_id, request.peer)
        if pause and not house.authenticator.recognises(request):
            cause = "too many log-ins were refused to this address; it has to wait"
            raise _RefusedError(503, "credentials", cause, math.ceil(pause))
        verdict = await house.hooks.ask_decision(REJECT, authenticate_station, request)
        if not verdict.is_admitted:
            raise self._refusal(request, verdict)
        if request.is_tls and self._tls_profile not in ("any", str(verdict.security_profile)):
            cause = f"the listener does not admit security profile {verdict.security_profile}"
            raise self._refusal(request, Verdict(False, cause, verdict.security_profile, "profile"))
        if house.book.look_up(request.station_id) is None:
            await self._enrol(request)
        return verdict

    async def _note_upgrade(self, request: ConnectRequest, verdict: Verdict) -> None:
        """The first success with a new profile makes it the station's own, durably before the 101 (SEC-43)."""
        record = self._house.book.look_up(request.station_id)
        if record is None or record.profile_upgrade_to != verdict.security_profile:
            return
        try:
            await self._house.book.change(record.id, security_profile=verdict.security_profile, profile_upgrade_to=None)
        except StoreError:
            raise _RefusedError(503, "readiness", "the new profile could not be noted now", self._pause()) from None
        security.info("%r now has security profile %s", record.id, verdict.security_profile)

    def _refusal(self, request: ConnectRequest, verdict: Verdict) -> _RefusedError:
        if verdict.retry_after:
            return _RefusedError(503, verdict.stage, verdict.cause, verdict.retry_after)
        if request.authorization is not None:
            self._house.throttle.failed(request.station_id, request.peer)
        security.warning("%r from %s was refused: %s", request.station_id, request.peer, verdict.cause)
        is_unknown = self._house.book.look_up(request.station_id) is None
        says_so = self._access.unknown_identity == "404" or self._access.authentication == "none"  # WS-07
        return _RefusedError(404 if is_unknown and says_so else 401, verdict.stage, verdict.cause)

    async def _enrol(self, request: ConnectRequest) -> None:
        """A plugin may admit whom it likes, but only stations with a record have a connection (WS-07)."""
        if self._access.unknown_stations == "refuse":
            raise self._refusal(request, UNKNOWN)
        if len(self._house.book) >= self._limits.connections:
            raise _RefusedError(503, "readiness", "as many stations are registered as may connect", self._pause())
        try:
            await self._house.authenticator.enrol(request)
        except StoreError:
            raise _RefusedError(503, "readiness", "the station could not be registered now", self._pause()) from None

    def _check_room(self, request: ConnectRequest) -> None:
        house = self._house
        flapping = house.throttle.flapping_pause(request.station_id, request.peer)
        if flapping:
            raise _RefusedError(503, "readiness", "the charger connects anew too often", math.ceil(flapping))
        if len(house.registry) >= self._limits.connections and house.registry.find(request.station_id) is None:
            raise _RefusedError(503, "readiness", "as many stations are connected as may be", self._pause())

    def _check_subprotocol(self, request: ConnectRequest) -> bool:
        if SUBPROTOCOL in request.subprotocols:
            return True
        offered = " and ".join(request.subprotocols)[:LONGEST_TEXT]
        cause = f"the charger offered {offered or 'no subprotocol'}; it must offer {SUBPROTOCOL}"
        if self._access.subprotocol_mismatch == "reject":
            raise _RefusedError(400, "subprotocol", cause)
        self._note(request, "subprotocol", cause)
        return False

    def _pause(self) -> int:
        return self._house.env.random.randint(*BUSY_PAUSE)

    # -- the record ------------------------------------------------------------------------------

    def _note(self, request: ConnectRequest, stage: str, cause: str) -> None:
        if cause:
            self.refusals[stage] += 1
        subprotocols = tuple(name[:LONGEST_TEXT] for name in request.subprotocols[:MOST_SUBPROTOCOLS])
        self._record(
            Attempt(
                self._house.env.now(),
                request.peer,
                stage,
                cause,
                request.station_id,
                request.listener,
                subprotocols,
                request.user_agent[:LONGEST_TEXT],
            )
        )

    def _record(self, attempt: Attempt) -> None:
        self._house.record_attempt(attempt)
        self._house.events.publish("station.attempt", attempt.station_id, attempt.at, attempt)

"""What can be wrong with a central system, one thing at a time and for one station at a time.

A `Break` makes one thing wrong for the charger of one copy of a case: so hundreds of broken central systems fit into
one csmsd, and every case runs beside them as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias, TypeVar

import trio

from csmsd.command import AnyCommand
from csmsd.hookspecs import ConnectRequest, Verdict, hookimpl
from csmsd.host import Host
from csmsd.ocpp.errors import InternalError, OcppError
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Arrival, Station
from csmsd_certification.case import Case
from csmsd_certification.cases import CASES
from csmsd_core import (
    Authorize,
    AuthorizeResponse,
    BootNotification,
    BootNotificationResponse,
    DataTransfer,
    DataTransferResponse,
    StartTransaction,
    StartTransactionResponse,
)
from csmsd_core.messages import IdTagInfo
from csmsd_security.messages import SignCertificate, SignCertificateResponse
from tests.plugins.certification.broken import Change

T = TypeVar("T")
CALLERROR = "CALLERROR InternalError"
Judgement: TypeAlias = Callable[[ConnectRequest, int], Verdict | None]  # of an upgrade, and of how many there were
Answer: TypeAlias = Callable[[Arrival], Any]
_CASES = {case.id: case for case in CASES}


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong, and the step at which its case must notice; `got` is part of what it must report."""

    case: str
    step: str
    got: str = ""
    change: tuple[str, Change] | None = None  # a command that arrives otherwise
    forgets: str = ""  # a command whose answer the operator never sees …
    forgets_at: int = 1  # … when it is sent for the first (second …) time
    refuses: str = ""  # a CALL of the station that gets a CALLERROR …
    refuses_at: int = 1  # … when it comes for the first (second …) time
    answer: tuple[str, Answer] | None = None  # a CALL of the station that gets a wrong answer
    ignores: str = ""  # a CALL of the station that gets no answer in time
    withholds: str = ""  # a command that is not sent
    judges: Judgement | None = None  # who comes in

    def copy(self, number: int) -> Case:
        """The case under a name of its own, and thereby with a station of its own."""
        case = _CASES[self.case]
        return replace(case, id=f"{case.id}.{number}")


# -- kinds of breaks ---------------------------------------------------------------------------------------------------


def command(case: str, action: str, change: Change, got: str = "") -> Break:
    """A command arrives changed, or not at all."""
    return Break(case, f"{action}.req", got, change=(action, change))


def forgotten(case: str, action: str, *, at: int = 1) -> Break:
    """The operator does not learn what the station has answered to the first (second …) of these."""
    return Break(case, f"{action}.conf, as the operator sees it", "null", forgets=action, forgets_at=at)


def refused(case: str, action: str, *, at: int = 1) -> Break:
    """A CALL that must be confirmed gets a CALLERROR, when it comes for the first (second …) time."""
    return Break(case, f"{action}.conf", CALLERROR, refuses=action, refuses_at=at)


def withheld(case: str, action: str) -> Break:
    """A command that the system should send unasked does not come."""
    return Break(case, f"{action}.req", "nothing within", withholds=action)


def ignored(case: str, action: str) -> Break:
    """A CALL that must be confirmed gets no answer in time."""
    return Break(case, f"{action}.conf", "nothing within", ignores=action)


def booted_as(case: str, status: Any) -> Break:
    """A boot that must be accepted is not."""
    return Break(
        case,
        "BootNotification.conf status",
        status,
        answer=("BootNotification", lambda arrival: BootNotificationResponse(status, arrival.received_at, 60)),
    )


def booted_every(case: str, interval: int) -> Break:
    """A boot is accepted, with an interval that is of no use."""
    return Break(
        case,
        "BootNotification.conf interval",
        str(interval),
        answer=(
            "BootNotification",
            lambda arrival: BootNotificationResponse("Accepted", arrival.received_at, interval),
        ),
    )


def authorized_as(case: str, status: Any, step: str = "Authorize.conf idTagInfo.status") -> Break:
    """Authorize gets another verdict than it must."""
    return Break(case, step, status, answer=("Authorize", lambda _: AuthorizeResponse(IdTagInfo(status))))


def started_as(case: str, status: Any, step: str = "StartTransaction.conf idTagInfo.status") -> Break:
    """StartTransaction gets another verdict than it must."""
    return Break(
        case, step, status, answer=("StartTransaction", lambda _: StartTransactionResponse(1, IdTagInfo(status)))
    )


def transferred_as(case: str, status: Any) -> Break:
    """DataTransfer gets another status than it must."""
    return Break(
        case, "DataTransfer.conf status", status, answer=("DataTransfer", lambda _: DataTransferResponse(status))
    )


def signed_as(case: str, status: Any) -> Break:
    """SignCertificate gets another status than it must."""
    return Break(
        case,
        "SignCertificate.conf status",
        status,
        answer=("SignCertificate", lambda _: SignCertificateResponse(status)),
    )


def judged(case: str, step: str, judges: Judgement, got: str = "") -> Break:
    """The door judges as it must not."""
    return Break(case, step, got, judges=judges)


def kept_out(case: str, *, at: int = 2) -> Break:
    """The station is not let in when it comes for the second (third …) time."""
    return judged(
        case, "connect", lambda _, count: Verdict(False, "not today") if count == at else None, "HTTP status 401"
    )


# -- the plugin that is wrong ------------------------------------------------------------------------------------------


class Saboteur(Plugin[NoConfig]):
    """Does to each station what the break of its case says."""

    name = "saboteur"
    requires = ("core",)
    breaks: ClassVar[Mapping[str, Break]] = {}  # by identity

    def __init__(self, config: NoConfig, host: Host) -> None:
        super().__init__(config, host)
        self._knocks: Counter[str] = Counter()  # upgrades by identity
        self._calls: Counter[str] = Counter()  # those CALLs that some time are refused, by identity

    @hookimpl
    def authenticate_station(self, request: ConnectRequest) -> Verdict | None:
        self._knocks[request.station_id] += 1
        found = self.breaks.get(request.station_id)
        return found.judges(request, self._knocks[request.station_id]) if found is not None and found.judges else None

    @hookimpl
    def guard_call(self, station: Station, action: str) -> OcppError | None:
        found = self.breaks.get(station.id)
        if found is None or found.refuses != action:
            return None
        self._calls[station.id] += 1
        return InternalError("sabotage") if self._calls[station.id] == found.refuses_at else None

    @hookimpl
    async def guard_command(self, station: Station, command: AnyCommand) -> str | None:
        found = self.breaks.get(station.id)
        return "sabotage" if found is not None and found.withholds == command.name else None

    @hookimpl
    async def authorize(self, station: Station, request: Authorize, arrival: Arrival) -> AuthorizeResponse | None:
        return await self._answer(station, arrival, AuthorizeResponse)

    @hookimpl
    async def boot_notification(
        self, station: Station, request: BootNotification, arrival: Arrival
    ) -> BootNotificationResponse | None:
        return await self._answer(station, arrival, BootNotificationResponse)

    @hookimpl
    async def data_transfer(
        self, station: Station, request: DataTransfer, arrival: Arrival
    ) -> DataTransferResponse | None:
        return await self._answer(station, arrival, DataTransferResponse)

    @hookimpl
    async def start_transaction(
        self, station: Station, request: StartTransaction, arrival: Arrival
    ) -> StartTransactionResponse | None:
        return await self._answer(station, arrival, StartTransactionResponse)

    @hookimpl(optionalhook=True)
    async def sign_certificate(
        self, station: Station, request: SignCertificate, arrival: Arrival
    ) -> SignCertificateResponse | None:
        return await self._answer(station, arrival, SignCertificateResponse)

    async def _answer(self, station: Station, arrival: Arrival, kind: type[T]) -> T | None:
        found, action = self.breaks.get(station.id), kind.__name__.removesuffix("Response")
        if found is None:
            return None
        if found.ignores == action:
            await trio.sleep(60)
        if found.answer is not None and found.answer[0] == action:
            answer = found.answer[1](arrival)
            assert isinstance(answer, kind)
            return answer
        return None


def saboteur(copies: Mapping[str, Break]) -> type[Saboteur]:
    """The plugin for these breaks, by the ids of the copies of their cases."""

    class Instructed(Saboteur):
        """Knows what to do to whom."""

        breaks: ClassVar[Mapping[str, Break]] = {f"CERT-{copy_id}": each for copy_id, each in copies.items()}

    return Instructed

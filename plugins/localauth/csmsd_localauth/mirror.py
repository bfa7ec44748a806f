"""What csmsd knows of a station's list, and what each event does to that: without a database, a station or a clock.

Every SendLocalList gets an order. A station takes them one after the other, so an accepted Full list settles what all
earlier ones have done, answered or not; after anything else that has no answer nobody knows what the list contains.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from csmsd_localauth.messages import SendLocalList

NOT_SUPPORTED_CODES = frozenset({"NotSupported", "NotImplemented"})
Effect = Literal["none", "replace", "change"]  # what happens to the mirrored entries


class ListState(msgspec.Struct, frozen=True, kw_only=True):
    """One station's list, without its entries."""

    station_id: str
    version: int | None = None  # after the last accepted message; None: never known
    highest: int = 0  # of all versions ever sent or reported: the next one is higher (LAL-12)
    size: int = 0  # entries in the mirror
    is_supported: bool = True
    is_doubtful: bool = True  # nobody knows what it contains: only a Full list helps
    concern: str = ""  # why a synchronisation is proposed; "" = no reason
    sends: int = 0  # the order of the last message
    full_order: int = 0  # ... of the last accepted Full list
    last_order: int = 0  # ... of the last accepted message
    unanswered: tuple[int, ...] = ()  # orders of messages without an answer
    reported_version: int | None = None  # as the station said last
    changed_at: datetime

    @property
    def is_certain(self) -> bool:
        """Whether the station's list is what the mirror says."""
        return self.version is not None and not self.is_doubtful and not self.unanswered

    @property
    def takes_changes(self) -> bool:
        """Whether a Differential may be built on it: a list begins with a Full one."""
        return self.is_certain and self.full_order > 0


class Sent(msgspec.Struct, frozen=True):
    """A SendLocalList is about to be sent."""

    station_id: str
    list_version: int
    at: datetime


class Answered(msgspec.Struct, frozen=True):
    """It was answered with this status, in time or late; `error` is the code of a CALLERROR."""

    station_id: str
    order: int
    request: SendLocalList
    status: str
    error: str
    at: datetime


class Reported(msgspec.Struct, frozen=True):
    """The station said which version its list has."""

    station_id: str
    list_version: int
    at: datetime


class Unsupported(msgspec.Struct, frozen=True):
    """The station does not know the messages."""

    station_id: str
    at: datetime


class Conflicted(msgspec.Struct, frozen=True):
    """LocalListConflict: the list contradicts what csmsd answers (LAL-11)."""

    station_id: str
    at: datetime


Change: TypeAlias = Sent | Answered | Reported | Unsupported | Conflicted
Transition: TypeAlias = tuple[ListState, Effect]


def transition(state: ListState, change: Change) -> Transition:
    """The list after an event, but for its size, and what it means for the entries."""
    match change:
        case Sent():
            return _after_sending(state, change)
        case Answered(status="Accepted"):
            return _after_accepted(state, change)
        case Answered():
            return _after_refusal(state, change), "none"
        case Reported():
            return _after_report(state, change)
        case Unsupported():
            return _with(state, change.at, is_supported=False, concern=""), "none"
        case Conflicted():
            return _with(state, change.at, is_doubtful=True, concern="LAL-11 LocalListConflict"), "none"


def _after_sending(state: ListState, sent: Sent) -> Transition:
    order = state.sends + 1
    highest = max(state.highest, sent.list_version)
    return _with(state, sent.at, sends=order, highest=highest, unanswered=(*state.unanswered, order)), "none"


def _after_accepted(state: ListState, answer: Answered) -> Transition:
    request, order = answer.request, answer.order
    others = tuple(each for each in state.unanswered if each != order)
    if order < state.full_order:
        return _with(state, answer.at, unanswered=others), "none"  # a Full list has replaced it since
    if order < state.last_order:  # its answer is late, and a Differential was built on the list before it
        return _with(state, answer.at, unanswered=others, is_doubtful=True, concern=_late_concern(request)), "none"
    if request.update_type == "Full":
        later = tuple(each for each in others if each > order)
        state = _with(state, answer.at, is_supported=True, is_doubtful=False, concern="", full_order=order)
        return _with(state, answer.at, version=request.list_version, last_order=order, unanswered=later), "replace"
    if not request.local_authorization_list:
        return _with(state, answer.at, unanswered=others), "none"  # no effect (LAL-04)
    state = _with(state, answer.at, is_supported=True, version=request.list_version)
    return _with(state, answer.at, last_order=order, unanswered=others), "change"


def _after_refusal(state: ListState, answer: Answered) -> ListState:
    others = tuple(each for each in state.unanswered if each != answer.order)
    state = _with(state, answer.at, unanswered=others)
    if answer.order < state.full_order:
        return state
    if answer.status == "NotSupported" or answer.error in NOT_SUPPORTED_CODES:
        return _with(state, answer.at, is_supported=False, concern="")
    reason = answer.status or f"CALLERROR {answer.error}"
    return _with(state, answer.at, is_doubtful=True, concern=f"LAL-08 {answer.request.update_type}: {reason}")


def _after_report(state: ListState, report: Reported) -> Transition:
    reported = report.list_version
    state = _with(state, report.at, reported_version=reported, highest=max(state.highest, reported))
    if reported < 0:
        return _with(state, report.at, is_supported=False, concern=""), "none"
    state = _with(state, report.at, is_supported=True)
    if state.version is None and reported == 0:
        return _with(state, report.at, version=0, is_doubtful=False), "replace"
    if state.version is None or reported == state.version or (reported == 0 and state.size == 0):
        return state, "none"  # 0 after an empty Full list is in sync (C-39)
    word = "lost its list" if reported < state.version else "has a list of somebody else's"
    concern = f"LAL-12 it {word}: it reports version {reported} instead of {state.version}"
    return _with(state, report.at, is_doubtful=True, concern=concern), "none"


def _late_concern(request: SendLocalList) -> str:
    return f"RPC-24 version {request.list_version} was accepted, but the answer came after a later one's"


def _with(state: ListState, at: datetime, **fields: Any) -> ListState:
    return msgspec.structs.replace(state, changed_at=at, **fields)

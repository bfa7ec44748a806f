"""Whatever happens in whatever order: csmsd's mirror and what a station really holds agree where csmsd can know it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from csmsd.errors import CallFailed, CallTimeout
from csmsd.ocpp.frames import Call, CallError
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    StartTransaction,
    StartTransactionResponse,
    StatusNotification,
    StatusNotificationResponse,
    StopTransaction,
    StopTransactionResponse,
    Tag,
)
from csmsd_reservation import (
    CANCEL_RESERVATION,
    RESERVE_NOW,
    CancelReservation,
    CancelReservationResponse,
    Reservation,
    ReservationPlugin,
    ReserveNow,
    ReserveNowResponse,
)
from tests.plugins.profile import booted, in_virtual_time, virtual_env

GROUPS = {"A": "G", "B": "G", "C": ""}
IDS, CONNECTORS, TAGS = (1, 2, 3), (1, 2), tuple(GROUPS)
# late: obeyed, answered after the time-out. mute: obeyed, never answered. deaf: neither. failing: CALLERROR.
MODES = st.sampled_from(["prompt", "prompt", "prompt", "late", "mute", "deaf", "failing"])

RESERVE = st.tuples(
    st.just("reserve"), MODES, st.sampled_from(IDS), st.sampled_from((0, *CONNECTORS)), st.sampled_from(TAGS),
    st.sampled_from([25, 1005]), st.booleans(),
)  # fmt: skip
CANCEL = st.tuples(st.just("cancel"), MODES, st.sampled_from(IDS))
START = st.tuples(st.just("start"), st.sampled_from(CONNECTORS), st.sampled_from(TAGS), st.booleans())
OUTAGE = st.tuples(st.just("outage"), st.sampled_from((0, *CONNECTORS)), st.sampled_from(["Faulted", "Unavailable"]))
WAIT = st.tuples(st.just("wait"), st.sampled_from([10, 30]))
HISTORY = st.lists(st.one_of(RESERVE, RESERVE, CANCEL, START, OUTAGE, WAIT), min_size=1, max_size=12)


@dataclass
class Charger:
    """A station that does what OCPP says, and does not always say so."""

    csms: TestCsms
    wire: TestStation
    held: dict[int, ReserveNow] = field(default_factory=dict[int, ReserveNow])
    unsure: set[int] = field(default_factory=set[int])  # ids of which csmsd cannot know
    mode: str = "prompt"
    owed: list[tuple[Call, Any]] = field(default_factory=list[tuple[Call, Any]])

    def react(self, call: Call) -> Any:
        if self.mode == "failing":
            return CallError("", "InternalError", "", msgspec.Raw(b"{}"))
        if self.mode == "deaf":
            return None
        answer = self.reserve(call) if call.action == "ReserveNow" else self.cancel(call)
        if self.mode == "late":
            self.owed.append((call, answer))
        return answer if self.mode == "prompt" else None

    def reserve(self, call: Call) -> ReserveNowResponse:
        request = msgspec.json.decode(bytes(call.payload), type=ReserveNow)
        others = {each.connector_id for id_, each in self.held.items() if id_ != request.reservation_id}
        if request.connector_id in others:
            return ReserveNowResponse("Occupied")
        self.held[request.reservation_id] = request
        return ReserveNowResponse("Accepted")

    def cancel(self, call: Call) -> CancelReservationResponse:
        request = msgspec.json.decode(bytes(call.payload), type=CancelReservation)
        found = self.held.pop(request.reservation_id, None)
        return CancelReservationResponse("Rejected" if found is None else "Accepted")

    def drop_expired(self) -> None:
        now = self.csms.host.env.now()
        self.held = {id_: each for id_, each in self.held.items() if each.expiry_date > now}

    def fits(self, connector_id: int, tag: str) -> int | None:
        """The reservation that a transaction uses: of the tag before its group, of the connector before any."""
        fitting = [
            (each.id_tag != tag, each.connector_id == 0, self.order(id_), id_)
            for id_, each in self.held.items()
            if each.connector_id in (0, connector_id)
            and (each.id_tag == tag or (each.parent_id_tag and each.parent_id_tag == GROUPS[tag]))
        ]
        return min(fitting)[-1] if fitting else None

    def order(self, id_: int) -> int:
        return list(self.held).index(id_)

    async def call(self, mode: str, command: Any, request: Any) -> None:
        self.mode = mode
        before = dict(self.held)
        id_: int = request.reservation_id
        try:
            await self.csms.host.stations.get(self.wire.id).call(command, request)
        except CallTimeout:
            if mode == "late":
                for call, answer in self.owed:
                    await self.wire.answer(call, answer)
                self.owed.clear()
            elif before != self.held or mode == "mute":
                self.unsure.add(id_)
        except CallFailed:
            pass
        else:
            if id_ in self.held or command is CANCEL_RESERVATION:
                self.unsure.discard(id_)

    async def start(self, connector_id: int, tag: str, names_it: bool) -> None:
        used = self.fits(connector_id, tag)
        names_it = names_it or bool(self.unsure)
        request = StartTransaction(
            connector_id=connector_id, id_tag=tag, meter_start=0, timestamp=self.csms.host.env.now(),
            reservation_id=used if names_it else None,
        )  # fmt: skip
        if used is None and self.unsure:
            return  # csmsd may believe in a reservation that was cancelled in silence
        answer = await self.wire.send("StartTransaction", request, StartTransactionResponse)
        stop = StopTransaction(answer.transaction_id, 1, self.csms.host.env.now())
        await self.wire.send("StopTransaction", stop, StopTransactionResponse)
        if used is not None:
            del self.held[used]
            self.unsure.discard(used)

    async def outage(self, connector_id: int, status: Any) -> None:
        for state in (status, "Available"):
            request = StatusNotification(connector_id, "NoError", state)
            await self.wire.send("StatusNotification", request, StatusNotificationResponse)
            await trio.sleep(1)
        gone = {id_ for id_, each in self.held.items() if connector_id in (0, each.connector_id)}
        self.held = {id_: each for id_, each in self.held.items() if id_ not in gone}


async def perform(charger: Charger, step: Any, later: datetime) -> None:
    match step:
        case ("reserve", mode, id_, connector_id, tag, seconds, with_group):
            parent = (GROUPS[tag] or None) if with_group else None
            expiry = later + timedelta(seconds=seconds)
            await charger.call(mode, RESERVE_NOW, ReserveNow(connector_id, expiry, tag, id_, parent))
        case ("cancel", mode, id_):
            await charger.call(mode, CANCEL_RESERVATION, CancelReservation(id_))
        case ("start", connector_id, tag, names_it):
            await charger.start(connector_id, tag, names_it)
        case ("outage", connector_id, status):
            await charger.outage(connector_id, status)
        case ("wait", seconds):
            await trio.sleep(seconds)
        case _:
            raise AssertionError(step)


async def live_a_history(history: list[Any]) -> None:
    async with open_test_csms(plugins=("core", ReservationPlugin), env=virtual_env()) as csms:
        core: Any = csms.host.plugins.get("core")
        plugin: Any = csms.host.plugins.get("reservation")
        for tag, group in GROUPS.items():
            await core.tags.put(Tag(tag, parent_id_tag=group), actor="test")
        wire = await booted(csms, call_timeout=4.0)
        charger = Charger(csms, wire)
        for connector_id in CONNECTORS:
            await charger.outage(connector_id, "Available")
        wire.behaviour |= {"ReserveNow": charger.react, "CancelReservation": charger.react}
        for number, step in enumerate(history):
            started = csms.host.env.now()
            charger.drop_expired()
            await perform(charger, step, started)
            await trio.sleep(10 - (csms.host.env.now() - started).total_seconds() % 10)
            charger.drop_expired()
            agree(charger, await plugin.reservations.page(limit=1000), history[: number + 1])


def agree(charger: Charger, mirror: list[Reservation], so_far: list[Any]) -> None:
    live = {each.reservation_id for each in mirror if each.is_live}
    active = [each.reservation_id for each in mirror if each.state == "active"]
    assert len(active) == len(set(active)), f"an id is active twice after {so_far}"
    assert set(charger.held) - charger.unsure <= live, f"a reservation was forgotten after {so_far}"
    assert set(active) - charger.unsure <= set(charger.held), f"a reservation is believed in that is over: {so_far}"
    known = charger.held.keys() - charger.unsure
    for each in mirror:
        if each.state == "active" and each.reservation_id in known:
            really = charger.held[each.reservation_id]
            assert (each.connector_id, each.id_tag, each.expires_at) == (
                really.connector_id, really.id_tag, really.expiry_date,
            ), so_far  # fmt: skip
    for each in mirror:
        assert (each.ended_at is None) == each.is_live
        assert (each.transaction_id is not None) == (each.state == "used")


@pytest.mark.req("RES-03", "RES-04", "RES-06", "RES-07", "RES-09", "TX-09", "RPC-24")
@settings(max_examples=40, deadline=None)
@given(HISTORY)
def test_the_mirror_agrees_with_the_station_after_any_history(history: list[Any]) -> None:
    in_virtual_time(lambda: live_a_history(history))

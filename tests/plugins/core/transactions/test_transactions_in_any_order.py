"""Whatever stations send, in whatever order, however often: nothing lost, nothing doubled, nothing foreign touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csmsd.errors import CsmsdError
from csmsd.pending import Pending
from csmsd_core.messages import MeterValue, SampledValue
from csmsd_core.records import Transaction
from csmsd_core.transaction_tables import meter_value, stop, transaction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATIONS, TAGS = ("CP-1", "CP-2"), ("A", "B")
Reference = Literal["own", "lost", "zero", "unknown"]


class Start(msgspec.Struct, frozen=True):
    station: str
    connector: int
    tag: str
    minute: int
    meter: int


class Stop(msgspec.Struct, frozen=True):
    station: str
    of: int  # one of the starts so far, perhaps another station's
    by: Reference
    minute: int
    meter: int
    tag: str | None


class Meter(msgspec.Struct, frozen=True):
    station: str
    connector: int
    of: int
    by: Literal["own", "lost", "none"]
    minute: int
    values: tuple[int, ...]


class Resend(msgspec.Struct, frozen=True):
    which: int
    copies: int


class Close(msgspec.Struct, frozen=True):
    of: int


class Reopen(msgspec.Struct, frozen=True):
    of: int


station, connector, minute = st.sampled_from(STATIONS), st.integers(0, 2), st.integers(-600, 600)
index, register = st.integers(0, 30), st.integers(0, 4)
message = st.one_of(
    st.builds(Start, station, connector, st.sampled_from(TAGS), minute, register),
    st.builds(
        Stop, station, index, st.sampled_from(("own", "lost", "zero", "unknown")), minute, register,
        st.one_of(st.none(), st.sampled_from(TAGS)),
    ),
    st.builds(
        Meter, station, connector, index, st.sampled_from(("own", "lost", "none")), minute,
        st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple),
    ),
)  # fmt: skip
step = st.one_of(
    message, message, st.builds(Resend, index, st.integers(1, 3)), st.builds(Close, index), st.builds(Reopen, index)
)
SENTINELS = {"lost": -1, "zero": 0, "unknown": 2**31 - 1}


class Run:
    """Plays the steps and writes down what a simple mind would expect."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.log: list[Callable[[], Pending[Any]]] = []
        self.starts: dict[Start, int] = {}
        self.own_stops: dict[int, Stop] = {}  # the first of each transaction
        self.stop_keys: set[tuple[Any, ...]] = set()
        self.samples: set[tuple[Any, ...]] = set()

    async def take(self, step: object) -> None:
        self.bench.now += timedelta(seconds=1)
        if isinstance(step, Start):
            await self.start(step)
        elif isinstance(step, Resend):
            if self.log:
                pending = [self.log[step.which % len(self.log)]() for _ in range(step.copies)]  # one batch
                for each in pending:
                    await each
        elif self.starts:
            ids = list(self.starts.values())
            id_ = ids[step.of % len(ids)]  # type: ignore[attr-defined]  # all the others have it
            await self.about(step, id_)

    async def about(self, step: object, id_: int) -> None:
        transactions = self.bench.transactions
        if isinstance(step, Stop):
            await self.stop(step, id_ if step.by == "own" else SENTINELS[step.by])
        elif isinstance(step, Meter):
            await self.meter(step, {"own": id_, "lost": -1, "none": None}[step.by])
        else:
            change = transactions.close if isinstance(step, Close) else transactions.reopen
            with suppress(CsmsdError):  # it may not be possible now
                await change(id_, actor="ann")

    async def start(self, step: Start) -> None:
        about = {"connector": step.connector, "tag": step.tag, "meter": step.meter, "at": at(step.minute)}
        send: Callable[[], Pending[Any]] = partial(self.bench.send_start, step.station, **about)
        self.log.append(send)
        id_ = (await send()).transaction_id
        assert self.starts.setdefault(step, id_) == id_

    async def stop(self, step: Stop, reference: int) -> None:
        about = {"meter": step.meter, "at": at(step.minute), "tag": step.tag}
        send: Callable[[], Pending[Any]] = partial(self.bench.send_stop, reference, step.station, **about)
        self.log.append(send)
        response = await send()
        assert (response.id_tag_info is None) == (step.tag is None)
        self.stop_keys.add((step.station, reference, step.meter, step.minute, step.tag))
        owner = next((start.station for start, id_ in self.starts.items() if id_ == reference), None)
        if owner == step.station:
            self.own_stops.setdefault(reference, step)

    async def meter(self, step: Meter, reference: int | None) -> None:
        values = tuple(MeterValue(at(step.minute), (SampledValue(str(value)),)) for value in step.values)
        about = {"station": step.station, "connector": step.connector, "reference": reference}
        send: Callable[[], Pending[Any]] = partial(self.bench.send_meter, *values, **about)
        self.log.append(send)
        await send()
        self.samples |= {(step.station, step.connector, reference, step.minute, str(value)) for value in step.values}


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def rows(bench: Any, table: sa.Table) -> list[Any]:
    found: list[Any] = await bench.store.read(lambda connection: connection.execute(sa.select(table)).all())
    return found


async def check_starts(run: Run) -> dict[int, Transaction]:
    found = {each.id: each for each in await run.bench.all()}
    assert sorted(found) == sorted(run.starts.values())  # B-02: each once
    for start, id_ in run.starts.items():
        stored = found[id_]
        assert (stored.station_id, stored.connector_id, stored.id_tag, stored.meter_start, stored.started_at) == (
            start.station, start.connector, start.tag, start.meter, at(start.minute),
        )  # fmt: skip
    return found


async def check_stops(run: Run, found: dict[int, Transaction]) -> None:
    stops = [each for each in await rows(run.bench, stop) if not each.actor]
    keys = Counter((each.station_id, each.reference, each.meter_stop, each.at, each.id_tag) for each in stops)
    expected = {(who, ref, meter, at(when), tag) for who, ref, meter, when, tag in run.stop_keys}
    assert keys == Counter(expected)  # B-01 and TX-38: each once
    applied = Counter(each.transaction_id for each in stops if each.state == "applied")
    assert all(count == 1 for count in applied.values())
    for each in stops:
        if each.transaction_id is not None:
            assert found[each.transaction_id].station_id == each.station_id  # WS-08
        if each.state == "applied" and each.rank == 2:  # B-03: nothing is guessed
            of = found[each.transaction_id]
            assert each.reference <= 0
            assert each.id_tag == of.id_tag
            assert each.meter_stop >= of.meter_start
            assert each.at >= of.started_at
    for id_, first in run.own_stops.items():  # TX-40: the own id beats everything, the first of them counts
        assert (found[id_].status, found[id_].meter_stop, found[id_].stopped_at) == (
            "stopped",
            first.meter,
            at(first.minute),
        )
    for id_ in found.keys() - run.own_stops.keys():
        assert found[id_].status != "stopped"


async def check_readings(run: Run, found: dict[int, Transaction]) -> None:
    seen: Counter[tuple[Any, ...]] = Counter()
    for row in await rows(run.bench, meter_value):
        reference = row.reference
        minutes = int((row.at - NOON).total_seconds()) // 60
        for sample in msgspec.json.decode(row.samples):
            seen[row.station_id, row.connector_id, reference, minutes, sample["value"]] += 1
        if row.transaction_id is not None:
            assert found[row.transaction_id].station_id == row.station_id  # WS-08
    assert seen == Counter(run.samples)  # MV-13: each once


async def check_facts(run: Run, found: dict[int, Transaction]) -> None:
    assert Counter(fact["id"] for fact in await run.bench.facts("transaction_started")) == Counter(found.keys())
    readings = [each for fact in await run.bench.facts("meter_values_stored") for each in fact["readings"]]
    assert sum(len(each["samples"]) for each in readings) == len(run.samples)  # B-09


@pytest.mark.req(
    "TX-05",
    "TX-12",
    "TX-22",
    "TX-24",
    "TX-25",
    "TX-38",
    "TX-40",
    "MV-13",
    "WS-08",
    "RPC-12",
    "B-01",
    "B-02",
    "B-03",
    "B-09",
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, min_size=5, max_size=30))
def test_nothing_is_lost_doubled_or_foreign_in_any_order(
    play_on: Callable[[Callable[[Any], Awaitable[None]]], None], steps: list[object]
) -> None:
    async def play(bench: Any) -> None:
        run = Run(bench)
        for each in steps:
            await run.take(each)
        found = await check_starts(run)
        await check_stops(run, found)
        await check_readings(run, found)
        await check_facts(run, found)
        assert len(await rows(bench, transaction)) == len(found)

    play_on(play)

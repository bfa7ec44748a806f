"""The auditor: reads what passed on the wire and what is in the database, and believes nobody else.

    python auditor.py WIRE.jsonl CSMSD.db

Independent on purpose: it imports nothing of csmsd and reads the tables as they are. It checks that nothing
acknowledged is lost (B-01), one start is one transaction (B-02), a stop is final (B-03), nothing counts twice (B-04)
and meters only go forward (B-05).
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

Payload = dict[str, Any]
CALL, RESULT = 2, 3


class Start(NamedTuple):
    """What makes a transaction the same one (B-02)."""

    station: str
    connector: int
    tag: str
    at: datetime
    meter: int


class Stop(NamedTuple):
    """What makes a stop the same one."""

    station: str
    transaction: int
    at: datetime
    meter: int


class Reading(NamedTuple):
    """One sampled value."""

    station: str
    transaction: int | None
    at: datetime
    value: str


@dataclass
class Wire:
    """What the stations have seen."""

    messages: int = 0
    sent_starts: set[Start] = field(default_factory=set[Start])
    sent_stops: set[Stop] = field(default_factory=set[Stop])
    starts: dict[Start, set[int]] = field(default_factory=lambda: defaultdict[Start, set[int]](set))  # ids told
    stops: set[Stop] = field(default_factory=set[Stop])
    readings: set[Reading] = field(default_factory=set[Reading])
    repeats: int = 0  # messages sent more than once


@dataclass
class Books:
    """What csmsd has stored."""

    starts: dict[int, Start]
    stopped: dict[int, tuple[int | None, int | None]]  # transaction: the stop that counts, its meter
    stops: dict[int, tuple[Stop, int | None]]  # stop: what it says, the transaction it belongs to
    readings: Counter[Reading]


def read_wire(lines: Iterable[str]) -> Wire:
    """Pair requests and answers, by station, connection and id."""
    wire, asked, seen = Wire(), dict[tuple[str, int, str], tuple[str, Payload]](), set[str]()
    for text in lines:
        entry = json.loads(text)
        frame, station = entry["frame"], entry["station"]
        key = (station, entry["line"], frame[1])
        if entry["direction"] == "sent" and frame[0] == CALL:
            wire.messages += 1
            asked[key] = frame[2], frame[3]
            content = json.dumps([station, *frame[2:]], sort_keys=True)
            wire.repeats += content in seen
            seen.add(content)
            _note_sent(wire, station, frame[2], frame[3])
        elif entry["direction"] == "received" and frame[0] == RESULT:
            _note_answered(wire, station, *asked[key], frame[2])
    return wire


def _note_sent(wire: Wire, station: str, action: str, request: Payload) -> None:
    if action == "StartTransaction":
        wire.sent_starts.add(_start(station, request))
    elif action == "StopTransaction":
        wire.sent_stops.add(_stop(station, request))


def _note_answered(wire: Wire, station: str, action: str, request: Payload, answer: Payload) -> None:
    if action == "StartTransaction":
        wire.starts[_start(station, request)].add(answer["transactionId"])
    elif action == "StopTransaction":
        wire.stops.add(_stop(station, request))
    elif action == "MeterValues":
        for value in request["meterValue"]:
            for sample in value["sampledValue"]:
                at = _moment(value["timestamp"])
                wire.readings.add(Reading(station, request.get("transactionId"), at, sample["value"]))


def _start(station: str, request: Payload) -> Start:
    at = _moment(request["timestamp"])
    return Start(station, request["connectorId"], request["idTag"], at, request["meterStart"])


def _stop(station: str, request: Payload) -> Stop:
    return Stop(station, request["transactionId"], _moment(request["timestamp"]), request["meterStop"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def read_books(path: Path) -> Books:
    """The three tables that count."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        starts: dict[int, Start] = {}
        stopped: dict[int, tuple[int | None, int | None]] = {}
        columns = "id, station_id, connector_id, id_tag, start_reported_at, meter_start, stop_id, meter_stop"
        for row in database.execute(f"SELECT {columns} FROM core_transaction"):
            starts[row[0]] = Start(row[1], row[2], row[3], _moment(row[4]), row[5])
            stopped[row[0]] = row[6], row[7]
        stops: dict[int, tuple[Stop, int | None]] = {}
        columns = "id, station_id, reference, reported_at, meter_stop, transaction_id"
        for row in database.execute(f"SELECT {columns} FROM core_stop"):
            stops[row[0]] = Stop(row[1], row[2], _moment(row[3]), row[4]), row[5]
        readings = Counter[Reading]()
        for row in database.execute("SELECT station_id, reference, reported_at, samples FROM core_meter_value"):
            for sample in json.loads(row[3]):
                readings[Reading(row[0], row[1], _moment(row[2]), str(sample["value"]))] += 1
    return Books(starts, stopped, stops, readings)


def audit(wire: Wire, books: Books) -> Iterator[str]:
    """Every violation, as a sentence that begins with its number."""
    yield from _lost(wire, books)
    yield from _starts(wire, books)
    yield from _stops(wire, books)
    yield from _twice(books)
    yield from _meters(books)


def _lost(wire: Wire, books: Books) -> Iterator[str]:
    for start, ids in wire.starts.items():
        yield from (f"B-01 {start} was confirmed as {id_} and is lost" for id_ in ids if books.starts.get(id_) != start)
    kept = {stop for stop, _ in books.stops.values()}
    yield from (f"B-01 {stop} was confirmed and is lost" for stop in wire.stops - kept)
    yield from (f"B-01 {reading} was confirmed and is lost" for reading in wire.readings - books.readings.keys())


def _starts(wire: Wire, books: Books) -> Iterator[str]:
    yield from (f"B-02 {start} was told {sorted(ids)}" for start, ids in wire.starts.items() if len(ids) > 1)
    told = Counter(id_ for ids in wire.starts.values() for id_ in ids)
    yield from (f"B-02 {id_} was told for {count} starts" for id_, count in told.items() if count > 1)
    times = Counter(books.starts.values())
    yield from (f"B-02 {start} is stored {count} times" for start, count in times.items() if count > 1)
    yield from (f"B-02 {start} is stored and nobody has sent it" for start in times.keys() - wire.sent_starts)


def _stops(wire: Wire, books: Books) -> Iterator[str]:
    for stop in wire.stops:
        if books.stopped.get(stop.transaction, (None, None))[1] != stop.meter:
            yield f"B-03 {stop} was confirmed and the transaction says {books.stopped.get(stop.transaction)}"
    for transaction, (stop_id, _) in books.stopped.items():
        if stop_id is not None and books.stops.get(stop_id, (None, None))[1] != transaction:
            yield f"B-03 transaction {transaction} ends by stop {stop_id}, which is not its own"
    for stop, _ in books.stops.values():
        if stop not in wire.sent_stops:
            yield f"B-03 {stop} is stored and nobody has sent it"


def _twice(books: Books) -> Iterator[str]:
    stops = Counter(transaction for _, transaction in books.stops.values())
    yield from (f"B-04 transaction {id_} has {count} stops" for id_, count in stops.items() if count > 1)
    yield from (f"B-04 {reading} is stored {count} times" for reading, count in books.readings.items() if count > 1)


def _meters(books: Books) -> Iterator[str]:
    lanes: dict[tuple[str, int], list[tuple[Start, int]]] = defaultdict(list)
    for id_, start in books.starts.items():
        lanes[start.station, start.connector].append((start, id_))
    samples: dict[int | None, list[tuple[datetime, int]]] = defaultdict(list)
    for reading in books.readings:
        samples[reading.transaction].append((reading.at, int(reading.value)))
    for lane, transactions in lanes.items():
        reached = 0
        for start, id_ in sorted(transactions, key=lambda each: each[0].at):
            meters = [start.meter, *(value for _, value in sorted(samples[id_]))]
            end = books.stopped[id_][1]
            meters += [] if end is None else [end]
            if start.meter < reached or meters != sorted(meters):
                yield f"B-05 {lane} runs backwards in transaction {id_}: {reached} then {meters}"
            reached = max(reached, *meters)


def main(wire_path: str, database_path: str) -> int:
    """Print what is wrong; the exit status says if anything is."""
    with Path(wire_path).open() as lines:
        wire = read_wire(lines)
    books = read_books(Path(database_path))
    violations = list(audit(wire, books))
    print(*violations, sep="\n")
    print(
        f"{wire.messages} messages sent, {wire.repeats} of them again; confirmed: {len(wire.starts)} starts, "
        f"{len(wire.stops)} stops, {len(wire.readings)} readings; {len(violations)} violations"
    )
    return bool(violations)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A batch costs as many statements as one message: what is hot is set-based."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from csmsd.pending import Pending


async def statements_of(bench: Any, count: int, send: Callable[[int], Pending[Any]]) -> list[str]:
    """The statements of one batch with `count` messages."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement.split("(")[0])

    sa.event.listen(bench.store.engine, "before_cursor_execute", note)
    pending = [send(number) for number in range(count)]
    for each in pending:
        await each
    sa.event.remove(bench.store.engine, "before_cursor_execute", note)
    return seen


@pytest.mark.req("PERF-01", "TX-04")
async def test_a_batch_costs_no_more_statements_than_a_single_message(bench: Any, element: Any) -> None:
    first = await bench.start("CP-0")
    await bench.meter(element(bench.now, "1"), station="CP-0", reference=first)
    await bench.stop(first, "CP-0")  # blocks of ids are reserved now
    seen: dict[int, list[list[str]]] = {}
    for count in (1, 30):
        bench.now += timedelta(minutes=1)
        ids: dict[int, int] = {}

        def start(number: int, ids: dict[int, int] = ids) -> Pending[Any]:
            sent: Pending[Any] = bench.send_start(f"CP-{number}")
            return sent.then(lambda answer: ids.setdefault(number, answer.transaction_id))

        def meter(number: int, ids: dict[int, int] = ids) -> Pending[Any]:
            sent: Pending[Any] = bench.send_meter(
                element(bench.now, "1000"), station=f"CP-{number}", reference=ids[number]
            )
            return sent

        def stop(number: int, ids: dict[int, int] = ids) -> Pending[Any]:
            sent: Pending[Any] = bench.send_stop(ids[number], f"CP-{number}", data=[element(bench.now, "2000")])
            return sent

        seen[count] = [await statements_of(bench, count, send) for send in (start, meter, stop)]
    assert [len(each) for each in seen[30]] == [len(each) for each in seen[1]]
    assert max(len(each) for each in seen[30]) <= 8


@pytest.mark.req("PERF-01", "TX-05", "TX-38", "MV-13")
def test_no_message_makes_sqlite_read_a_whole_table(play_on: Any, element: Any) -> None:
    """Nor a repeated one: the tables grow for years, and the committer serves everybody."""
    seen: dict[str, Any] = {}
    plans: dict[str, list[str]] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, is_many: bool) -> None:
        if statement.startswith("SELECT core_"):
            seen[statement] = parameters[0] if is_many else parameters

    async def play(bench: Any) -> None:
        sa.event.listen(bench.store.engine, "before_cursor_execute", note)
        for _ in range(2):
            sent = [bench.send_start(f"CP-{number}") for number in range(2)]
            ids = [(await each).transaction_id for each in sent]
            meters: list[Pending[Any]] = [
                bench.send_meter(element(bench.now, "1"), station=f"CP-{number}", reference=id_)
                for number, id_ in enumerate(ids)
            ]
            for each in meters:
                await each
            stops: list[Pending[Any]] = [
                bench.send_stop(id_, f"CP-{number}", data=[element(bench.now, "2")]) for number, id_ in enumerate(ids)
            ]
            for each in stops:
                await each
        sa.event.remove(bench.store.engine, "before_cursor_execute", note)
        with bench.store.engine.connect() as connection:
            for statement, parameters in seen.items():
                found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans[statement] = [row[3] for row in found]

    play_on(play)
    tables = ("core_transaction", "core_stop", "core_meter_value")
    assert all(any(table in statement for statement in plans) for table in tables)
    scans = {
        statement: plan
        for statement, plan in plans.items()
        if any(step.startswith(f"SCAN {table}") for step in plan for table in tables)
    }
    assert scans == {}

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

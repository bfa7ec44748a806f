"""Ids: positive, unique over restarts and rollbacks, and a clear error at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from csmsd._kernel.storage import tables
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.storage.sequences import BLOCK, LAST_ID
from csmsd.env import Env
from csmsd.errors import WriteFailed

Take = Callable[[sa.Connection, Sequence[bool]], Sequence[int]]


def taker(store: Database) -> Take:
    def take(connection: sa.Connection, rows: Sequence[bool]) -> Sequence[int]:
        ids = store.take_ids(connection, "transaction", len(rows))
        if not all(rows):
            raise ValueError("bad row")
        return ids

    return take


@pytest.mark.req("TX-02")
async def test_ids_are_positive_and_unique_over_restarts(database_url: str) -> None:
    ids: list[int] = []
    for _ in range(3):
        async with open_store(database_url, Env()) as store:
            take = taker(store)
            ids += [await pending for pending in [store.submit(take, True) for _ in range(BLOCK + 10)]]
    assert len(set(ids)) == len(ids)
    assert min(ids) == 1


@pytest.mark.req("TX-02")
async def test_ids_of_a_write_that_was_rolled_back_are_not_used_twice(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        take = taker(store)
        with pytest.raises(WriteFailed):  # reserves the first block, in a transaction that never happens
            await store.submit(take, False)
        first = await store.submit(take, True)
    async with open_store(database_url, Env()) as store:
        assert await store.submit(taker(store), True) > first + BLOCK - 2


@pytest.mark.req("TX-02")
async def test_an_exhausted_sequence_says_so(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        with store.engine.begin() as connection:
            connection.execute(sa.insert(tables.sequence), {"name": "transaction", "next": LAST_ID - 1})
        take = taker(store)
        assert await store.submit(take, True) == LAST_ID - 1
        assert await store.submit(take, True) == LAST_ID
        with pytest.raises(WriteFailed, match=r"'transaction' is exhausted"):
            await store.submit(take, True)

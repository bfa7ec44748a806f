"""Where tasks live on while the block around them, cancelled, still needs them: they send stations away (WS-39)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_shelter() -> AsyncGenerator[trio.Nursery, None]:
    """A nursery whose tasks do not feel that the block is cancelled; they end when the block has ended."""

    async def shelter(task_status: trio.TaskStatus[trio.Nursery]) -> None:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as sheltered:
                task_status.started(sheltered)
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        sheltered: trio.Nursery = await nursery.start(shelter)
        try:
            yield sheltered
        finally:
            sheltered.cancel_scope.cancel()

"""What runs in a shelter ends after the block, not with it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from csmsd._kernel.shelter import open_shelter


@pytest.mark.req("WS-39")
async def test_a_cancelled_block_can_still_be_served_while_it_ends(autojump_clock: MockClock) -> None:
    asked, answered = trio.Event(), trio.Event()

    async def serve() -> None:
        await asked.wait()
        await trio.sleep(1)
        answered.set()

    with trio.move_on_after(5) as scope:
        async with open_shelter() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    asked.set()
                    await answered.wait()
    assert scope.cancelled_caught
    assert answered.is_set()


async def test_a_task_that_fails_ends_the_block() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="broken"), flatten_subgroups=True):
        async with open_shelter() as nursery:
            nursery.start_soon(fail)
            await trio.sleep_forever()

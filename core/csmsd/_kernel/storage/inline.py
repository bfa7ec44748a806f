"""Group commit without a thread, for tests in virtual time."""

from __future__ import annotations

import trio

from csmsd._kernel.storage.batch import BatchRunner, Item
from csmsd._kernel.storage.committer import Committer, Tuning


class InlineCommitter(Committer):
    """Commits in the trio thread at the next scheduler pass: for virtual time, which would outrun a thread.

    What nobody waits for is committed with the next batch, before a read, or at the end.
    """

    def __init__(self, runner: BatchRunner, tuning: Tuning) -> None:
        super().__init__(runner, tuning)
        self._batch: list[Item] = []
        self._is_scheduled = False
        self._outage = trio.Event()

    def _enqueue(self, item: Item) -> None:
        self._batch.append(item)
        if not self._is_scheduled and (item.pending is not None or len(self._batch) >= self._tuning.max_batch):
            self._is_scheduled = True
            self._token.run_sync_soon(self.flush)

    def flush(self) -> None:
        """Commit what is queued."""
        self._is_scheduled = False
        batch, self._batch = self._batch, []
        if batch:
            report = self._runner.run(batch)
            self._take_report(report)
            if not report.is_available:
                self._outage.set()

    async def watch(self) -> None:
        """Probe during an outage."""
        while True:
            await self._outage.wait()
            while not self._runner.is_storage_back():  # noqa: ASYNC110 -- a disk sets no event
                await trio.sleep(self._tuning.probe_interval)
            self._outage = trio.Event()
            self._set_available(True)

    async def aclose(self) -> None:
        """Commit what is queued."""
        self._is_open = False
        self.flush()
        self._runner.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

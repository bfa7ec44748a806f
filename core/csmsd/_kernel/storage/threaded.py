"""Group commit, the side of the thread: a batch is what was queued while the previous COMMIT ran, and a bit more."""

from __future__ import annotations

import logging
import queue
import threading
import time

import trio

from csmsd._kernel.storage.batch import BatchRunner, Item, Report
from csmsd._kernel.storage.committer import Committer, Tuning, is_done
from csmsd.errors import OutcomeUnknown, StoreUnavailable

log = logging.getLogger("csmsd.store")


class ThreadedCommitter(Committer):
    """Commits in its own thread."""

    def __init__(self, runner: BatchRunner, tuning: Tuning) -> None:
        super().__init__(runner, tuning)
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._tick = 0
        self._claiming = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="csmsd-committer", daemon=True)
        self._thread.start()

    def _enqueue(self, item: Item) -> None:
        item.tick = self._tick
        self._queue.put(item)

    async def watch(self) -> None:
        """Give up what has waited too long: a hung disk answers nobody, but those who wait must get an answer."""
        ticks = 10
        while True:
            await trio.sleep(self._tuning.deadline / ticks)
            self._tick += 1
            while self._waiting and (is_done(self._waiting[0]) or self._tick - self._waiting[0].tick > ticks):
                self._give_up(self._waiting.popleft())

    def _give_up(self, item: Item) -> None:
        if item.pending is None or item.pending.is_settled:
            return
        with self._claiming:
            item.is_abandoned = True
            is_claimed = item.is_claimed
        self._set_available(False)
        waited = f"storage has not answered for {self._tuning.deadline:g} s"
        item.pending.settle(None, OutcomeUnknown(waited) if is_claimed else StoreUnavailable(waited))

    async def aclose(self) -> None:
        """Everything submitted before is committed and settled first, unless storage hangs."""
        self._is_open = False
        self._queue.put(None)
        with trio.move_on_after(self._tuning.deadline + 1, shield=True):
            await trio.to_thread.run_sync(self._thread.join, abandon_on_cancel=True)
        while self._waiting:
            self._give_up(self._waiting.popleft())

    # -- committer thread --------------------------------------------------------------------------

    def _run(self) -> None:
        kept: list[Item] = []  # rows nobody waits for, saved over an outage
        is_open, load = True, 0
        try:
            while is_open:
                if load >= self._tuning.busy_batch:
                    time.sleep(self._tuning.linger)
                batch, is_open = self._collect(kept)
                batch = self._claim(batch)
                load = len(batch)
                kept = self._commit(batch, keep=is_open) if batch else []
                if kept or not self._is_storage_up:
                    is_open = is_open and self._sit_out_outage(kept)
                    if not is_open and kept:
                        self._commit(self._claim(kept), keep=False)
        except trio.RunFinishedError:
            log.warning("trio ended before the store was closed")
        finally:
            self._runner.close()

    _is_storage_up = True  # as the thread knows it

    def _collect(self, kept: list[Item]) -> tuple[list[Item], bool]:
        """The next batch, and whether there will be another one."""
        batch = kept
        is_urgent = False
        wait_until = time.monotonic() if batch else None
        while len(batch) < self._tuning.max_batch:
            try:
                item = self._next(is_urgent, wait_until)
            except queue.Empty:
                break
            if item is None:
                return batch, False
            batch.append(item)
            if item.pending is not None:
                is_urgent = True
            elif wait_until is None:
                wait_until = time.monotonic() + self._tuning.later_delay
        return batch, True

    def _next(self, is_urgent: bool, wait_until: float | None) -> Item | None:
        if is_urgent:
            return self._queue.get_nowait()
        if wait_until is None:
            return self._queue.get()
        return self._queue.get(timeout=max(0.0, wait_until - time.monotonic()))

    def _claim(self, batch: list[Item]) -> list[Item]:
        with self._claiming:
            claimed = [item for item in batch if not item.is_abandoned]
            for item in claimed:
                item.is_claimed = True
        return claimed

    def _commit(self, batch: list[Item], *, keep: bool) -> list[Item]:
        """Commit and report; returns what to try again after an outage."""
        report = self._runner.run(batch)
        kept: list[Item] = []
        if keep and not report.is_available:
            kept = [i for i, _, error in report.settled if i.pending is None and isinstance(error, StoreUnavailable)]
            keeping = set(kept)
            report.settled = [settled for settled in report.settled if settled[0] not in keeping]
        self._is_storage_up = report.is_available
        self._token.run_sync_soon(self._take_report, report)
        return kept

    def _sit_out_outage(self, kept: list[Item]) -> bool:
        """Probe until storage is back; False if the store is to be closed first."""
        refused = StoreUnavailable("storage is not available")
        while True:
            probe_at = time.monotonic() + self._tuning.probe_interval
            while True:
                try:
                    item = self._queue.get(timeout=max(0.0, probe_at - time.monotonic()))
                except queue.Empty:
                    break
                if item is None:
                    return False
                if item.pending is None:
                    kept.append(item)
                else:
                    self._token.run_sync_soon(self._take_report, Report([(item, None, refused)], is_available=False))
            if self._runner.is_storage_back():
                self._is_storage_up = True
                self._token.run_sync_soon(self._take_report, Report())
                return True

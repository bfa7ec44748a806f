"""Plugins with one fault each, and what the check that is made for it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import sqlalchemy as sa
import trio

from csmsd import Host, NoConfig, Plugin, Station, hookimpl
from csmsd.hookspecs import Metric
from csmsd_core import ConnectorStatusChanged, DataTransfer, DataTransferResponse

# -- declaration ---------------------------------------------------------------------------------------------------


class NamelessPlugin(Plugin[NoConfig]):
    """Its name cannot be one."""

    name = "Not A Name"


class FuturePlugin(Plugin[NoConfig]):
    """Written for a csmsd that does not exist."""

    name = "bad"
    api = 99


class LonelyPlugin(Plugin[NoConfig]):
    """Requires what is not installed."""

    name = "bad"
    requires = ("nosuch",)


class SilentPlugin(Plugin[NoConfig]):
    name = "bad"


# -- configuration -------------------------------------------------------------------------------------------------


class TerseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pause: float = 1.0


class TersePlugin(Plugin[TerseConfig]):
    """Does not say what its key is for."""

    name = "bad"
    config_type = TerseConfig


class OpenConfig(msgspec.Struct):
    pause: Annotated[float, "Between two of them."] = 1.0


class OpenPlugin(Plugin[OpenConfig]):
    """Takes any key, and lets its configuration change."""

    name = "bad"
    config_type = OpenConfig


class DemandingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, "Of the service."]


class DemandingPlugin(Plugin[DemandingConfig]):
    """Cannot do without a setting."""

    name = "bad"
    config_type = DemandingConfig


# -- colours -------------------------------------------------------------------------------------------------------


class WrongColourPlugin(Plugin[NoConfig]):
    """A plain function for a hook that is awaited."""

    name = "bad"

    @hookimpl
    def station_connected(self, station: Station) -> None:
        """Should be async def."""


class WrongColourWithoutOwnerPlugin(Plugin[NoConfig]):
    """A coroutine for a plain hook of a plugin that may be absent."""

    name = "bad"

    @hookimpl(optionalhook=True)
    async def web_routes(self) -> Sequence[Any]:
        """Should be def."""
        return []


class MisspeltPlugin(Plugin[NoConfig]):
    """A hook that nobody publishes."""

    name = "bad"

    @hookimpl
    async def station_conected(self, station: Station) -> None:
        """One n short."""


class PresumingPlugin(Plugin[NoConfig]):
    """A hook of the Core profile, without requiring it."""

    name = "bad"

    @hookimpl
    async def connector_status_changed(self, fact: ConnectorStatusChanged) -> None:
        """Nobody publishes it without the Core profile."""


# -- starting, stopping --------------------------------------------------------------------------------------------


class OneShotPlugin(Plugin[NoConfig]):
    """Can be made once in a process."""

    name = "bad"
    taken: ClassVar[set[Host]] = set()

    def __init__(self, config: NoConfig, host: Host) -> None:
        super().__init__(config, host)
        if host in self.taken:
            raise RuntimeError("there is one already")
        self.taken.add(host)


class StumblingPlugin(Plugin[NoConfig]):
    """Does not start on the data of its last run."""

    name = "bad"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Leaves a file, and is surprised by it after a restart."""
        path = Path(self.host.config.data_dir, "bad.pid")
        me = f"{id(self.host)}"
        self._claim(path, me)
        task_status.started()

    def _claim(self, path: Path, me: str) -> None:
        if path.exists() and path.read_text() != me:
            raise RuntimeError("it seems to be running")
        path.write_text(me)


# -- leaks ---------------------------------------------------------------------------------------------------------


class TaskLeakPlugin(Plugin[NoConfig]):
    """Starts a task that nobody ends."""

    name = "bad"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Should use a nursery of its own."""
        trio.lowlevel.spawn_system_task(trio.sleep, 3600, name="bad's errand")
        task_status.started()


class ThreadLeakPlugin(Plugin[NoConfig]):
    """Starts a thread that nobody ends."""

    name = "bad"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Each time one more."""
        threading.Thread(target=time.sleep, args=(20,), daemon=True, name="bad's thread").start()
        task_status.started()


class FileLeakPlugin(Plugin[NoConfig]):
    """Opens a file that nobody closes."""

    name = "bad"
    files: ClassVar[list[Any]] = []

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Each time once more."""
        self.files.append(Path("/dev/null").open("rb"))  # noqa: SIM115, ASYNC230 -- that is its fault
        task_status.started()


# -- cancellation --------------------------------------------------------------------------------------------------


class DeafPlugin(Plugin[NoConfig]):
    """Takes being cancelled for an error, and goes on."""

    name = "bad"

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """Catches too much."""
        try:
            await trio.sleep(1)
        except BaseException:
            self.log.warning("no matter")


class StubbornPlugin(Plugin[NoConfig]):
    """Cannot be ended."""

    name = "bad"

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """Tries again and again."""
        while not self.host.is_ready or station.id:
            try:
                await trio.sleep(1)
                return
            except trio.Cancelled:
                continue


class RecolouringPlugin(Plugin[NoConfig]):
    """Makes an error of being cancelled."""

    name = "bad"

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """Raises something else."""
        try:
            await trio.sleep(1)
        except BaseException as error:
            raise RuntimeError("the service failed") from error


class ShieldedPlugin(Plugin[NoConfig]):
    """Waits where nothing can reach it."""

    name = "bad"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Never ends."""
        task_status.started()
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()


# -- redelivery, with tables of their own ---------------------------------------------------------------------------

metadata = sa.MetaData()
count = sa.Table("bad_count", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
seen = sa.Table("bad_seen", metadata, sa.Column("fact_id", sa.BigInteger, primary_key=True, autoincrement=False))


def add_one(connection: sa.Connection, rows: Sequence[int]) -> Sequence[None]:
    """Write: count, however often it is the same."""
    connection.execute(sa.insert(count), [{"n": row} for row in rows])
    return [None] * len(rows)


def add_seen(connection: sa.Connection, rows: Sequence[int]) -> Sequence[None]:
    """Write: a second row of the same key is an error."""
    connection.execute(sa.insert(seen), [{"fact_id": row} for row in rows])
    return [None] * len(rows)


class CountingPlugin(Plugin[NoConfig]):
    """Counts a fact as often as it comes."""

    name = "bad"
    requires = ("core",)

    @hookimpl
    async def connector_status_changed(self, fact: ConnectorStatusChanged, fact_id: int) -> None:
        """Should look at the fact's id."""
        await self.host.store.submit(add_one, fact_id)


class FragilePlugin(Plugin[NoConfig]):
    """Fails when a fact comes again."""

    name = "bad"
    requires = ("core",)

    @hookimpl
    async def connector_status_changed(self, fact: ConnectorStatusChanged, fact_id: int) -> None:
        """Should be content with the row that is there."""
        await self.host.store.submit(add_seen, fact_id)


# -- blocking ------------------------------------------------------------------------------------------------------


class BlockingPlugin(Plugin[NoConfig]):
    """Waits in the loop, in an async hook."""

    name = "bad"

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """Should use trio.sleep."""
        time.sleep(0.15)  # noqa: ASYNC251 -- that is its fault


class PlainBlockingPlugin(Plugin[NoConfig]):
    """Waits in the loop, in a plain hook of an action."""

    name = "bad"
    requires = ("core",)

    @hookimpl
    def data_transfer(self, request: DataTransfer) -> DataTransferResponse | None:
        """Should be async, and wait elsewhere."""
        time.sleep(0.15)
        return None


class SlowServicePlugin(Plugin[NoConfig]):
    """Waits in the loop, in its background work."""

    name = "bad"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Every other second."""
        task_status.started()
        for _ in range(50):
            await trio.sleep(2)
            time.sleep(0.12)  # noqa: ASYNC251 -- that is its fault


class HealthyPlugin(Plugin[NoConfig]):
    """Nothing is wrong with it."""

    name = "good"

    @hookimpl
    def report_metrics(self) -> Sequence[Metric]:
        """A figure."""
        return [Metric("good", "How good it is.", 1.0)]

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """Waits a while, and bears being cancelled."""
        try:
            await trio.sleep(1)
        finally:
            self.log.debug("gone")

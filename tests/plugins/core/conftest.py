"""The Core profile in a csmsd without transport: real hooks, a real database in virtual time, scripted stations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import sqlalchemy as sa
import trio
from trio.testing import MockClock

from csmsd import hookspecs as kernel_hookspecs
from csmsd._kernel.audit import AuditTrail
from csmsd._kernel.credentials import CredentialBook
from csmsd._kernel.hashing import Hashing
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.pool import Pool
from csmsd._kernel.registry import Registry
from csmsd._kernel.stationbook import StationBook
from csmsd._kernel.stationstates import StationStates
from csmsd._kernel.steps import Terms
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.timers import Wheel
from csmsd._kernel.verbs import HookRunner
from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.config import Config
from csmsd.env import Env
from csmsd.errors import CallRefused, CsmsdError
from csmsd.events import Events
from csmsd.hookspecs import Metric
from csmsd.host import Commands, Host, Plugins
from csmsd.journal import Journal
from csmsd.ocpp.decoding import Deviation
from csmsd.pending import Pending
from csmsd.station import Arrival, Station, StationRecord
from csmsd_core import (
    Authorize,
    CoreConfig,
    CorePlugin,
    IdTagInfo,
    StartTransaction,
    StartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
    hookspecs,
)
from csmsd_core.tables import metadata

FOLDER = Path(__file__).parent
EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)


class House(Host):
    """One csmsd, as far as the Core profile can see it."""

    def __init__(self, store: Database, env: Env, nursery: trio.Nursery, wheel: Wheel) -> None:
        self.config, self.env, self.store, self.events = Config(), env, store, Events()
        self.hook_set = HookSet()
        self.hook_set.add_specs(kernel_hookspecs, "kernel")
        self.hook_set.add_specs(hookspecs, "core")
        self.hooks = HookRunner(self.hook_set, Pool(nursery, wheel), wheel)
        self.states = StationStates(store)
        self.registry = Registry(self.hooks, self.events, env)
        self.credentials: CredentialBook = CredentialBook(self.states, Hashing(inline=True), env)
        self.stations: StationBook = StationBook(self.states, self.credentials, self.registry, store, env)
        self.audit = AuditTrail(store, env)
        self._wheel = wheel
        self.core = cast(CorePlugin, None)  # set by `start`

    commands = cast(Commands, None)
    journal = cast(Journal, None)
    plugins = cast(Plugins, None)
    actions: Mapping[str, AnyAction] = {}
    is_ready = True
    ocpp_urls: Sequence[str] = ()

    def reload_certificates(self) -> None:
        """There are none."""

    def metrics(self) -> Sequence[Metric]:
        return [figure for figures in self.hooks.call_plain(kernel_hookspecs.report_metrics) for figure in figures]

    def call_later(self, seconds: float, callback: Callable[[], Any]) -> Callable[[], None]:
        return self._wheel.after(seconds, callback).cancel

    def enable(self, plugin: object, name: str, timeout: float = 5.0) -> None:
        """One more plugin, asked before those that are there."""
        self.hook_set.enable(plugin, name, Terms(timeout, is_critical=True))

    async def connect(self, station_id: str = "CP-1", **record: Any) -> ScriptedStation:
        """A station with a record, connected."""
        if self.stations.look_up(station_id) is None:
            await self.stations.register(StationRecord(station_id, **record))
        line = ScriptedLine(self)
        station = Station(
            station_id,
            line,
            self.stations,
            connected_at=self.env.now(),
            peer="10.0.0.1:5000",
            listener="ocpp",
            security_profile=1,
        )
        line.station = station
        return ScriptedStation(station, line, self)

    async def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """What is in the database."""
        return await self.store.read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])


@dataclass
class ScriptedLine:
    """What the kernel's connection does with a command, and a station that answers as told."""

    house: House
    is_open: bool = True
    station: Station = field(init=False)
    answers: list[Any] = field(default_factory=list)  # a response, an error, or a function of the request
    sent: list[msgspec.Struct] = field(default_factory=list)
    closed_with: tuple[int, str] | None = None

    async def call(self, command: AnyCommand, request: Any, timeout: float | None) -> Any:
        hooks, station = self.house.hooks, self.station
        refusal = await hooks.first(kernel_hookspecs.guard_command, station, command, request)
        if refusal is not None:
            raise CallRefused(refusal)
        await hooks.notify(kernel_hookspecs.prepare_command, station, command, request)
        self.sent.append(request)
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, CsmsdError):
            hooks.call_plain(kernel_hookspecs.command_failed, station, command, request, answer)
            raise answer
        self.answer(command, request, answer)
        return answer

    def answer(self, command: AnyCommand, request: Any, answer: msgspec.Struct) -> None:
        """A CALLRESULT, in time or late."""
        self.house.hooks.call_plain(kernel_hookspecs.command_handled, self.station, command, request, answer)

    def submit(self, command: AnyCommand, request: Any) -> Pending[Any]:
        self.sent.append(request)
        return Pending()

    def close(self, code: int, reason: str) -> None:
        self.closed_with = code, reason


@dataclass
class ScriptedStation:
    """Both ends of a connection."""

    station: Station
    line: ScriptedLine
    house: House

    async def send(self, hook: Callable[..., Any], request: Any, *deviations: Deviation) -> Any:
        """Send a CALL and wait for the answer."""
        arrival = Arrival("1", self.house.env.now(), b"{}", deviations)
        with trio.fail_after(60):
            return await self.house.hooks.ask(hook, self.station, request, arrival)

    async def authorize(self, id_tag: str) -> IdTagInfo:
        info: IdTagInfo = (await self.send(hookspecs.authorize, Authorize(id_tag))).id_tag_info
        return info

    async def start(self, id_tag: str, meter: int = 0) -> StartTransactionResponse:
        request = StartTransaction(1, id_tag, meter, self.house.env.now())
        answer: StartTransactionResponse = await self.send(hookspecs.start_transaction, request)
        return answer

    async def stop(self, transaction_id: int, id_tag: str | None) -> StopTransactionResponse:
        request = StopTransaction(transaction_id, 10, self.house.env.now(), id_tag)
        answer: StopTransactionResponse = await self.send(hookspecs.stop_transaction, request)
        return answer

    def refusal(self, action: str) -> str | None:
        """The error code with which a CALL is refused before its payload is looked at."""
        errors = self.house.hooks.call_plain(kernel_hookspecs.guard_call, self.station, action)
        return next((error.code for error in errors if error is not None), None)

    def warnings(self, command: AnyCommand, request: msgspec.Struct) -> list[str]:
        return self.house.core.warnings_for(command, request, self.station)


OpenHouse = Callable[..., Awaitable[House]]


def run_in_virtual_time(main: Callable[..., Any], clock: Any = None, instruments: Sequence[Any] = ()) -> Any:
    """Nobody sleeps in here."""
    return trio.run(main, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in here that opens a house gets virtual time; pytest hands us those of all folders."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and "open_house" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture
def core_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the Core profile's tables: SQLite, unless the test asks for PostgreSQL indirectly."""
    kind = getattr(request, "param", "sqlite")
    url: str = request.getfixturevalue(f"{kind}_url")
    engine = writing_engine(parse_url(url), is_durable=False)
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()
    return url


class _Residence:
    """A house that is open until it is closed, in a task of its own."""

    def __init__(self) -> None:
        self._closing, self._closed = trio.Event(), trio.Event()

    async def run(self, url: str, config: CoreConfig, task_status: trio.TaskStatus[House]) -> None:
        env = Env(now=lambda: EPOCH + timedelta(seconds=trio.current_time()))
        async with open_store(url, env, inline=True) as store, trio.open_nursery() as nursery:
            wheel = Wheel()
            nursery.start_soon(wheel.run)
            house = House(store, env, nursery, wheel)
            await house.states.load()
            house.core = CorePlugin(config, house)
            house.enable(house.core, "core", timeout=60)  # the answer to a CALL has no limit of its own
            await nursery.start(house.core.serve)
            task_status.started(house)
            await self._closing.wait()
            nursery.cancel_scope.cancel()
        self._closed.set()

    async def close(self) -> None:
        self._closing.set()
        await self._closed.wait()


@pytest.fixture
async def open_house(core_url: str, nursery: trio.Nursery) -> AsyncIterator[OpenHouse]:
    """open_house(boot_policy="auto"): opened anew it is the same csmsd after a restart."""
    open_now: list[_Residence] = []

    async def start(**config: Any) -> House:
        for residence in open_now:
            await residence.close()
        open_now[:] = [_Residence()]
        house: House = await nursery.start(open_now[0].run, core_url, msgspec.convert(config, CoreConfig))
        return house

    yield start
    for residence in open_now:
        await residence.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A csmsd with the Core profile as it comes."""
    return await open_house()

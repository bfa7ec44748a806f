"""A door with everything behind it: real hooks, a real database, chargers without protocol."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import trio

from csmsd import hookspecs
from csmsd._kernel.authentication import Authenticator
from csmsd._kernel.credentials import CredentialBook
from csmsd._kernel.door import Household, KernelDoor
from csmsd._kernel.hashing import Hashing
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.pool import Pool
from csmsd._kernel.registry import Registry
from csmsd._kernel.stationbook import StationBook
from csmsd._kernel.stationstates import StationStates
from csmsd._kernel.steps import Terms
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.throttle import Throttle
from csmsd._kernel.timers import Wheel
from csmsd._kernel.transport.link import Admission, Link
from csmsd._kernel.verbs import HookRunner
from csmsd.config import Access, Config, Limits
from csmsd.env import Env
from csmsd.events import Events
from csmsd.hookspecs import ConnectRequest
from csmsd.journal import Attempt
from csmsd.pending import Pending
from csmsd.station import Station

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"  # of J 6.2.2


def basic(user: str | bytes, password: str | bytes) -> bytes:
    """The value of an Authorization header."""
    octets = [part.encode() if isinstance(part, str) else part for part in (user, password)]
    return b"Basic " + base64.b64encode(b":".join(octets))


@dataclass
class Wire:
    """A link without bytes: remembers what it was told."""

    closed_with: tuple[int, str] | None = None
    answers_pings: bool = False

    def send(self, message: bytes) -> None:
        raise AssertionError("nothing is sent before the station speaks")

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self, code: int, reason: str) -> None:
        self.closed_with = code, reason


class Charger:
    """A connection without protocol: it only comes and goes."""

    def __init__(self, request: ConnectRequest, admission: Admission, link: Link, world: World) -> None:
        self.station = Station(
            admission.station_id,
            self,
            world.book,
            connected_at=world.env.now(),
            peer=request.peer,
            listener=request.listener,
            security_profile=admission.security_profile,
        )
        self.link, self.world = link, world
        self.is_open, self.is_draining, self.is_pinged = True, False, False
        self.retired_with = ""

    async def call(self, command: object, request: object, timeout: float | None) -> object:
        raise AssertionError("not in these tests")

    def submit(self, command: object, request: object) -> Pending[object]:
        raise AssertionError("not in these tests")

    def receive(self, message: bytes) -> None:
        self.world.book.saw(self.station.id, self.world.env.now())

    def lost(self, reason: str) -> None:
        self.is_open = False
        self.world.registry.leave(self, reason)

    def retire(self, reason: str) -> None:
        self.is_open, self.retired_with = False, reason

    def drain(self) -> None:
        self.is_draining = True

    def close(self, code: int, reason: str) -> None:
        self.is_open = False
        self.link.close(code, reason)


class Observer:
    """A plugin that hears who comes and goes."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    @hookspecs.hookimpl
    async def station_connected(self, station: Station) -> None:
        self.heard.append(("connected", station.peer))

    @hookspecs.hookimpl
    async def station_disconnected(self, station: Station, reason: str) -> None:
        self.heard.append((reason, station.peer))


@dataclass
class World:
    """One csmsd without transport and protocol."""

    env: Env
    store: Database
    hooks: HookSet
    states: StationStates
    credentials: CredentialBook
    registry: Registry
    book: StationBook
    authenticator: Authenticator
    throttle: Throttle
    events: Events
    observer: Observer
    attempts: list[Attempt] = field(default_factory=list)
    reason_not_to_be_ready: str = ""
    door: KernelDoor = field(init=False)

    async def knock(
        self,
        target: str = "/ocpp/CP-1",
        authorization: bytes | None = None,
        *,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        peer: str = "10.0.0.1:5000",
        is_tls: bool = False,
        certificate: bytes | None = None,
    ) -> Admission:
        """Ask to be let in; `request` remembers the question."""
        self.request = ConnectRequest(
            target, authorization, subprotocols, peer, is_tls=is_tls, client_certificate=certificate
        )
        return await self.door.knock(self.request)

    async def enter(self, target: str = "/ocpp/CP-1", authorization: bytes | None = None, peer: str = "") -> Charger:
        """Be let in."""
        peer = peer or "10.0.0.1:5000"
        assert self.door.is_open(peer)
        admission = await self.knock(target, authorization, peer=peer)
        assert admission.status == 101, self.attempts[-1].cause
        charger = self.door.enter(self.request, admission, Wire())
        assert isinstance(charger, Charger)
        return charger

    @property
    def last_attempt(self) -> tuple[str, str]:
        """Stage and cause."""
        return self.attempts[-1].stage, self.attempts[-1].cause


class OpenStore:
    """A store that is open until it is closed, in a task of its own."""

    def __init__(self) -> None:
        self._closing, self._closed = trio.Event(), trio.Event()

    async def run(self, url: str, env: Env, task_status: trio.TaskStatus[Database]) -> None:
        async with open_store(url, env, inline=True) as store:
            task_status.started(store)
            await self._closing.wait()
        self._closed.set()

    async def close(self) -> None:
        self._closing.set()
        await self._closed.wait()


OpenWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def open_world(sqlite_url: str, nursery: trio.Nursery) -> AsyncIterator[OpenWorld]:
    """open_world(access=..., limits=...): opened anew it is the same csmsd after a restart."""
    env = Env(now=lambda: EPOCH + timedelta(seconds=trio.current_time()))
    open_stores: list[OpenStore] = []

    async def start(access: Access | None = None, limits: Limits | None = None) -> World:
        for opened in open_stores:
            await opened.close()
        config = Config(access=access or Access(), limits=limits or Limits())
        wheel, hooks, events = Wheel(), HookSet(), Events()
        nursery.start_soon(wheel.run)
        hooks.add_specs(hookspecs, "kernel")
        runner = HookRunner(hooks, Pool(nursery, wheel), wheel)
        opened = OpenStore()
        open_stores[:] = [opened]
        store: Database = await nursery.start(opened.run, sqlite_url, env)
        states, registry = StationStates(store), Registry(runner, events, env)
        credentials = CredentialBook(states, Hashing(inline=True), env)
        book = StationBook(states, credentials, registry, store, env)
        await states.load()
        authenticator = Authenticator(config.access, book, credentials, env, runner)
        hooks.enable(authenticator, "kernel", Terms(5.0, is_critical=True))
        observer = Observer()
        hooks.enable(observer, "observer", Terms(5.0))
        throttle = Throttle(config.limits, env.monotonic)
        world = World(env, store, hooks, states, credentials, registry, book, authenticator, throttle, events, observer)
        household = Household(
            runner,
            book,
            authenticator,
            registry,
            throttle,
            events,
            env,
            make_connection=lambda request, admission, link: Charger(request, admission, link, world),
            record_attempt=world.attempts.append,
            not_ready_because=lambda: world.reason_not_to_be_ready,
        )
        world.door = KernelDoor(config, household)
        return world

    yield start
    for opened in open_stores:
        await opened.close()


@pytest.fixture
async def world(open_world: OpenWorld) -> World:
    """The default configuration."""
    return await open_world()


@pytest.fixture
def security_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the security log says."""
    caplog.set_level(logging.INFO, "csmsd.security")
    return caplog

"""The house: one csmsd, built in order and taken down again. `csmsd.app` and `csmsd.testing` are its front doors."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from csmsd import deprecations, hookspecs
from csmsd._kernel.absorption import check_absorb
from csmsd._kernel.attempts import AttemptLog
from csmsd._kernel.audit import AuditTrail
from csmsd._kernel.authentication import Authenticator
from csmsd._kernel.commands import CommandDesk
from csmsd._kernel.connection import Connection, Context
from csmsd._kernel.credentials import CredentialBook
from csmsd._kernel.dispatch import Dispatcher
from csmsd._kernel.door import Household, KernelDoor
from csmsd._kernel.factdesk import FactDesk
from csmsd._kernel.figures import kernel_metrics
from csmsd._kernel.hashing import Hashing
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.journal import DatabaseJournal
from csmsd._kernel.lingering import naming_who_lingers
from csmsd._kernel.loader import AnyPlugin, Loaded, installed_plugins, load_plugin, load_plugins
from csmsd._kernel.pluginconfig import check_tables
from csmsd._kernel.plugins import PluginSet
from csmsd._kernel.pool import Pool
from csmsd._kernel.recorder import Recorder
from csmsd._kernel.registry import Registry
from csmsd._kernel.retention import Retention
from csmsd._kernel.shelter import open_shelter
from csmsd._kernel.silence import close_silent
from csmsd._kernel.slowness import SlowMessages
from csmsd._kernel.stationbook import StationBook
from csmsd._kernel.stationstates import StationStates
from csmsd._kernel.steps import Terms
from csmsd._kernel.storage import migrate
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.supervisor import Supervisor
from csmsd._kernel.throttle import Throttle
from csmsd._kernel.timers import Wheel
from csmsd._kernel.transport.accept import serve_listener
from csmsd._kernel.transport.link import Admission, Backend, Link, WireLimits
from csmsd._kernel.transport.listeners import open_listeners
from csmsd._kernel.transport.tls import context_of
from csmsd._kernel.verbs import HookRunner
from csmsd._kernel.watchdog import watch_the_loop
from csmsd.action import AnyAction
from csmsd.config import Config, Limits
from csmsd.env import Env
from csmsd.events import Events
from csmsd.hookspecs import ConnectRequest, Metric, report_client_roots, report_metrics
from csmsd.host import Host
from csmsd.listening import bound_address
from csmsd.plugin import Migrations

log = logging.getLogger("csmsd")

SETTLING = 2.0  # seconds after the start in which the loop may be busy with it


@dataclass(frozen=True, slots=True)
class Mode:
    """How the house stands in the world; tests and simulations change it."""

    is_inline: bool = False  # commits, reads and password checks in the trio thread, for virtual time
    listens: bool = True  # False: stations come through `House.door` alone
    watches: bool = True  # the watchdog thread that names who blocked the loop


class House(Host):
    """Everything one csmsd consists of. Built by `open_house`; nothing in it is shared with another."""

    def __init__(self, config: Config, env: Env, store: Database, nursery: trio.Nursery, mode: Mode) -> None:
        self.config, self.env = config, env
        self.store = self.database = store
        self.events = Events()
        self.wheel = Wheel()
        self.pool = Pool(nursery, self.wheel, config.limits.pool_tasks)
        self.hook_set = HookSet(config.limits.quarantine_after)
        self.hook_set.add_specs(hookspecs, "kernel")
        self.hook_set.add_specs(deprecations, "kernel")
        self.hooks = self.runner = HookRunner(self.hook_set, self.pool, self.wheel)
        self.journal = journal = DatabaseJournal(store, keeps_exchanges=config.store.journal)
        self.attempts = AttemptLog(store, env)
        self.audit = AuditTrail(store, env)
        self.hashing = Hashing(inline=mode.is_inline)
        self.states = StationStates(store)
        self.registry = Registry(self.hooks, self.events, env)
        self.credentials = credentials = CredentialBook(self.states, self.hashing, env)
        self.stations = self.book = StationBook(self.states, credentials, self.registry, store, env)
        self.supervisor = Supervisor(nursery)
        self.facts = self.fact_desk = FactDesk(store, env, lambda: self.plugin_set.tables.facts)
        self.plugins = self.plugin_set = PluginSet(
            self,
            self.hook_set,
            self.hooks,
            self.supervisor,
            self.migrate,
            self.fact_desk.courier,
            load_plugin,
            self.fact_desk.figures,
        )
        self.commands = self.desk = CommandDesk(
            store,
            self.stations,
            env,
            nursery,
            lambda: self.plugin_set.tables.commands,
            self.plugin_set.offering,
            self.audit,
        )
        self.recorder = Recorder(journal, self.events, self.hooks)
        self.dispatcher = Dispatcher(
            self.hook_set,
            self.hooks,
            self.pool,
            self.wheel,
            self.recorder,
            env,
            tolerance=config.tolerance,
            answer_timeout=config.limits.answer_timeout,
            actions=lambda: self.plugin_set.tables.actions,
            absorbs=frozenset(config.absorb),
        )
        self.plugin_set.holding = self.dispatcher.holding
        self.authenticator = Authenticator(config.access, self.book, credentials, env, self.hooks)
        self.hook_set.enable(self.authenticator, "kernel", Terms(config.limits.hook_timeout, is_critical=True))
        self.throttle = Throttle(config.limits, trio.current_time)
        self.door = self._make_door()
        self.slow_messages = SlowMessages(trio.current_time)
        self.listeners: dict[str, socket.socket] = {}
        self.tls_contexts: dict[str, ssl.SSLContext | None] = {}  # backends look them up for each connection
        self._is_open = False
        store.when_availability_changes(self._storage_changed)

    # -- Host ------------------------------------------------------------------------------------

    @property
    def actions(self) -> Mapping[str, AnyAction]:
        """See Host."""
        return self.plugin_set.tables.actions

    @property
    def is_ready(self) -> bool:
        """See Host."""
        return not self.not_ready_because()

    @property
    def ocpp_urls(self) -> Sequence[str]:
        """See Host."""
        listen = self.config.listen
        path = next((path for path in listen.paths if path), "")
        own = [
            f"{'wss' if name == 'ocpp_tls' else 'ws'}://{bound_address(sock)}{path}"
            for name, sock in self.listeners.items()
        ]
        return [listen.public_url, *own] if listen.public_url else own

    def metrics(self) -> Sequence[Metric]:
        """See Host."""
        from_plugins = [metric for some in self.hooks.call_plain(report_metrics) for metric in some]
        return [*kernel_metrics(self), *from_plugins]

    def call_later(self, seconds: float, callback: Callable[[], Any]) -> Callable[[], None]:
        """See Host."""
        return self.wheel.after(seconds, callback).cancel

    # -- life ------------------------------------------------------------------------------------

    async def furnish(self, nursery: trio.Nursery, loaded: Sequence[Loaded]) -> None:
        """Tables, records, plugins: everything that must stand before the first station may come."""
        nursery.start_soon(self.wheel.run)
        await self._bring_up_to_date(migrate.KERNEL)
        await self.states.load()
        await self.desk.open()
        await self.fact_desk.load()
        await nursery.start(self.hashing.serve)
        nursery.start_soon(self.attempts.run)
        silence = self.config.limits.silence_timeout
        nursery.start_soon(close_silent, self.registry, self.book, self.env, silence)
        nursery.start_soon(Retention(self.store, self.env, self.config.store).run)
        self.plugin_set.add(loaded)
        await self.plugin_set.start()

    async def let_stations_in(self, nursery: trio.Nursery, front: trio.Nursery) -> None:
        """Start the backend, and accept connections in `front`."""
        if self.listeners:
            self.tls_contexts.update({name: self._tls_context(name) for name in self.listeners})
            backend = make_backend(self, self.tls_contexts)
            nursery.start_soon(backend.run)
            await trio.lowlevel.checkpoint()
            for name, sock in self.listeners.items():
                front.start_soon(serve_listener, sock, backend, self.door, name)
        self._is_open = True

    def reload_certificates(self) -> None:
        """See Host."""
        if "ocpp_tls" in self.tls_contexts:
            self.tls_contexts["ocpp_tls"] = self._tls_context("ocpp_tls")

    async def drain(self) -> None:
        """Nobody new; everybody is answered and told to go, within `limits.drain_timeout` (WS-39)."""
        self._is_open = False
        with trio.move_on_after(self.config.limits.drain_timeout, shield=True):
            await self.registry.drain()

    async def migrate(self, plugin: type[AnyPlugin]) -> None:
        """Bring a plugin's tables up to date, or insist that they are (`store.auto_migrate`)."""
        if plugin.migrations is not None:
            await self._bring_up_to_date({plugin.name: plugin.migrations})

    def lingering(self) -> list[str]:
        """What goes on although csmsd ends: plugins' calls in flight and background work."""
        calls = [f"plugin {name}" for name, health in self.hook_set.health.items() if health.running]
        return calls + [f"serve of {name}" for name in self.supervisor.lingering()]

    def not_ready_because(self) -> str:
        """Why no station is let in now; "" if they are (WS-42)."""
        if not self._is_open:
            return "csmsd is starting or stopping"
        return "" if self.store.is_available else "storage is not available"

    # -- inside ----------------------------------------------------------------------------------

    async def _bring_up_to_date(self, lineages: Mapping[str, Migrations]) -> None:
        change = migrate.upgrade if self.config.store.auto_migrate else migrate.require_current
        await self.database.run_alone(lambda engine: change(engine, lineages))

    def _make_door(self) -> KernelDoor:
        context = Context(
            dispatcher=self.dispatcher,
            hooks=self.runner,
            plans=self.hook_set,
            tolerance=self.config.tolerance,
            pool=self.pool,
            wheel=self.wheel,
            recorder=self.recorder,
            env=self.env,
            stations=self.stations,
            limits=self.config.limits,
            seen=self.book.saw,
            left=self.registry.leave,
        )

        def make_connection(request: ConnectRequest, admission: Admission, link: Link) -> Connection:
            return Connection(request, admission, link, context)

        household = Household(
            hooks=self.hooks,
            book=self.book,
            authenticator=self.authenticator,
            registry=self.registry,
            throttle=self.throttle,
            events=self.events,
            env=self.env,
            make_connection=make_connection,
            record_attempt=self.attempts.record,
            not_ready_because=self.not_ready_because,
            held=lambda: self.dispatcher.held,
        )
        return KernelDoor(self.config, household)

    def _tls_context(self, listener: str) -> ssl.SSLContext | None:
        if listener != "ocpp_tls":
            return None
        roots = [pem for some in self.hooks.call_plain(report_client_roots) for pem in some]
        return context_of(self.config.listen, roots)

    def _storage_changed(self, is_available: bool) -> None:
        """While nothing can be stored, stations are better off outside: they queue (TX-04, WS-42)."""
        if not is_available:
            log.error("storage is lost: stations are sent away until it is back")
            for connection in self.registry.online():
                connection.close(1013, "storage unavailable")
        else:
            log.warning("storage is back: stations may come")


async def watch_when_settled(house: House) -> None:
    """Name who blocks the loop, but not what a start takes."""
    await trio.sleep(SETTLING)
    with watch_the_loop(house.plugin_set.packages, blame=house.hook_set.note_block):
        await trio.sleep_forever()


def make_backend(house: House, contexts: Mapping[str, ssl.SSLContext | None]) -> Backend:
    """The transport that the configuration asks for; "auto" takes the reactor where the system has epoll."""
    limits = wire_limits(house.config.limits)
    transport = house.config.transport
    if transport == "auto":
        import select

        transport = "reactor" if hasattr(select, "epoll") else "trio-websocket"
    if transport == "reactor":
        from csmsd._kernel.transport.reactor import Reactor

        return Reactor(house.door, house.pool, house.wheel, contexts, limits, report_slow=house.slow_messages)
    from csmsd._kernel.transport.trio_ws import TrioWebSocket

    return TrioWebSocket(house.door, contexts, limits)


def wire_limits(limits: Limits) -> WireLimits:
    """The backends' share of the limits."""
    return WireLimits(
        handshake=limits.handshake_timeout,
        write=limits.write_timeout,
        close=limits.close_timeout,
        ping=limits.ping_interval,
        pong=limits.pong_timeout,
        message=limits.message_timeout,
        head_bytes=limits.head_bytes,
        head_lines=limits.head_lines,
        message_bytes=limits.message_bytes,
        fragments=limits.fragments,
        buffer_max=limits.send_buffer,
        events_per_second=limits.frames_per_second,
    )


def lineages_of(loaded: Iterable[Loaded]) -> dict[str, Migrations]:
    """All lineages of tables of a csmsd with these plugins, the kernel's first."""
    plugins = {one.name: one.type.migrations for one in loaded if one.type.migrations is not None}
    return {**migrate.KERNEL, **plugins}


@asynccontextmanager
async def open_house(config: Config, env: Env, mode: Mode) -> AsyncGenerator[House, None]:
    """Build, serve until the block ends, take down; ConfigError, PluginError, StoreError come before the block."""
    loaded = load_plugins(config.plugins)
    check_tables(config.plugin, [entry.name for entry in installed_plugins()] + [one.name for one in loaded])
    check_absorb(config.absorb)
    with ExitStack() as things:
        listeners: dict[str, socket.socket] = {}
        if mode.listens:
            listeners = open_listeners(config.listen)
            for sock in listeners.values():
                things.callback(sock.close)
        async with (
            open_store(config.store_url, env, readers=config.store.readers, inline=mode.is_inline) as store,
            open_shelter() as nursery,
        ):
            house = House(config, env, store, nursery, mode)
            house.listeners = listeners
            await house.furnish(nursery, loaded)
            async with trio.open_nursery() as front:
                if mode.watches:
                    front.start_soon(watch_when_settled, house)
                await house.let_stations_in(nursery, front)
                try:
                    yield house
                finally:
                    front.cancel_scope.cancel()
                    await house.drain()
                    things.enter_context(naming_who_lingers(house.lingering))

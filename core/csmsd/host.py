"""What csmsd gives a plugin. Everything the built-in profiles use is in here; nothing else is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, ParamSpec, TypeVar

import msgspec

from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.config import Config
from csmsd.env import Env
from csmsd.events import Events
from csmsd.facts import Facts
from csmsd.hookspecs import Metric
from csmsd.journal import Journal
from csmsd.pending import Pending
from csmsd.station import Credentials, Stations
from csmsd.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class Hooks(ABC):
    """The four verbs. The spec function itself is the first argument: it types the call and names the hook."""

    @abstractmethod
    async def first(self, spec: Callable[P, Awaitable[T | None]], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The first answer that is not None; a plugin that fails or is too slow is passed over."""

    @abstractmethod
    async def decide(self, fallback: T, spec: Callable[P, Awaitable[T | None]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The first answer; who fails or is too slow answers `fallback`, and so does silence (fail closed)."""

    @abstractmethod
    async def gather(self, spec: Callable[P, Awaitable[T | None]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """Every answer that is not None, in the order asked."""

    @abstractmethod
    async def notify(self, spec: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell everybody, one after the other; failures are counted and otherwise ignored."""

    @abstractmethod
    def tell(self, spec: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """`notify` in the background, for plain code; costs nothing when nobody implements the hook."""

    @abstractmethod
    def call_plain(self, spec: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """Every answer of a plain hook that is not None; failures are counted and passed over."""

    @abstractmethod
    def ask(self, spec: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> Pending[T | None]:
        """`first` for plain code and hooks of either colour: settled at once unless an `async def` has to be asked."""

    @abstractmethod
    def ask_decision(self, fallback: T, spec: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        """`decide` for plain code and hooks of either colour."""


PluginState = Literal["enabled", "disabled", "quarantined", "failed"]


class PluginStatus(msgspec.Struct, frozen=True):
    """A plugin of this csmsd and how it is doing."""

    name: str
    state: PluginState
    version: str
    summary: str  # first line of the class's docstring
    requires: tuple[str, ...]
    actions: tuple[str, ...]
    commands: tuple[str, ...]
    failures: int  # since start
    consecutive_failures: int
    calls: int
    backlog: int  # facts in the outbox that it and its readers have not taken yet, also while it is not enabled
    last_failure: str = ""
    hooks: tuple[str, ...] = ()  # those it implements
    seconds: float = 0.0  # in its hooks since start; waiting included, but not for promises it has made
    blocked: int = 0  # steps in which everybody waited for it, as seen by the watchdog
    blocked_seconds: float = 0.0
    deprecated: tuple[str, ...] = ()  # what it should not use any more, one sentence each
    set_aside: int = 0  # facts that it could not take: see Facts.set_aside


class HookUser(msgspec.Struct, frozen=True):
    """A plugin that implements a hook."""

    plugin: str
    colour: Literal["plain", "async"]  # of this implementation
    is_critical: bool
    note: str = ""  # "by its former name ...", if it is one


class HookStatus(msgspec.Struct, frozen=True):
    """A hook and who is asked, in this order."""

    name: str
    owner: str  # the plugin that publishes it, or "kernel"
    colour: Literal["plain", "async", "either"]  # of the hook
    asked: tuple[HookUser, ...]
    summary: str  # when it is called


class Plugins(ABC):
    """The plugin set."""

    @abstractmethod
    def status(self) -> Sequence[PluginStatus]:
        """All plugins of this csmsd, in the order registered."""

    @abstractmethod
    def hooks(self) -> Sequence[HookStatus]:
        """All hooks, with those who are asked in the order in which they are asked."""

    @abstractmethod
    async def enable(self, name: str) -> None:
        """Register, migrate, start; PluginNotFound, PluginIncompatible."""

    @abstractmethod
    async def disable(self, name: str) -> None:
        """Unregister, let calls in flight finish, stop its tasks. Tables stay."""

    @abstractmethod
    async def reload(self, name: str) -> Sequence[str]:
        """Import a plugin's package anew and exchange the running plugin for the new code, with its dependants.

        Calls in flight are finished, CALLs that arrive meanwhile wait, tables stay, stations that are online are told
        to the new instances. Returns the names of those that were exchanged, in order; none if the plugin is not
        enabled: its new code is used when it is. Errors: PluginNotFound; PluginError says why the old code runs on.
        """

    @abstractmethod
    def get(self, name: str) -> object | None:
        """The plugin's instance if it is enabled."""


CommandState = Literal["queued", "sent", "answered", "failed", "timeout", "disconnected", "refused", "unknown"]


class CommandRecord(msgspec.Struct, frozen=True):
    """A command that somebody submitted, and what became of it. Payloads are redacted."""

    id: str  # chosen by the submitter (idempotency key) or by csmsd
    station_id: str
    action: str
    request: msgspec.Raw
    state: CommandState
    submitted_at: datetime
    actor: str
    finished_at: datetime | None = None
    result: msgspec.Raw | None = None  # the CALLRESULT's payload, also an invalid one (RPC-36); a CALLERROR's details
    error_code: str = ""  # of a CALLERROR
    error: str = ""  # one sentence


class Commands(ABC):
    """Commands by name, stored before they are sent: repeating a submission is harmless, no outcome is lost."""

    @property
    @abstractmethod
    def known(self) -> Mapping[str, AnyCommand]:
        """Every command of the enabled plugins, by OCPP name."""

    @abstractmethod
    def get(self, action: str) -> AnyCommand:
        """One of them; UnknownCommand, which names the plugin to enable if that is known."""

    @abstractmethod
    async def submit(
        self, station_id: str, action: str, payload: bytes, *, actor: str, command_id: str | None = None
    ) -> CommandRecord:
        """Validate, store and start a command; the same id again returns the first record without a second effect.

        Errors: UnknownStation, StationUnavailable, CallRefused, CommandConflict (the id was used for something else),
        InvalidPayload (with the schema's complaint), UnknownCommand.
        """

    @abstractmethod
    async def outcome(self, command_id: str) -> CommandRecord:
        """Wait until the command has ended; UnknownCommand if there is none of that id."""

    @abstractmethod
    async def find(self, command_id: str) -> CommandRecord | None:
        """The record as it is now."""

    @abstractmethod
    async def recent(self, station_id: str | None = None, limit: int = 100) -> Sequence[CommandRecord]:
        """Newest first."""


Way = Literal["ui", "api", "cli", "plugin", "system"]  # through what somebody acts


WAYS: tuple[Way, ...] = ("ui", "api", "cli", "plugin", "system")


def actor_of(name: str, way: Way) -> str:
    """Who acts, as one text that can be stored and handed on: `ui:anna`, `cli:local admin (4f…)`."""
    return f"{way}:{name}"


def read_actor(actor: str) -> tuple[str, Way]:
    """The name and the way in an actor's text; one without a way is csmsd itself or a plugin."""
    way, colon, name = actor.partition(":")
    for known in WAYS:
        if colon and way == known:
            return name, known
    return actor, "system" if actor == "csmsd" else "plugin"


class AuditEntry(msgspec.Struct, frozen=True):
    """One change, command or log-in. `before` and `after` are JSON; None: there was, or is, nothing."""

    at: datetime
    actor: str  # without the way
    action: str  # station.change, command.submit, user.add…
    subject: str  # the station, user, token… it was done to
    before: str | None = None
    after: str | None = None
    way: str = ""
    id: int = 0  # 1, 2, 3… without a gap
    hash: str = ""  # over the entry and the hash of the one before


class AuditFilter(msgspec.Struct, frozen=True):
    """Which entries; what is empty does not matter."""

    before_id: int | None = None  # older ones than this, the newest first
    after_id: int | None = None  # newer ones than this, the oldest first
    actor: str = ""
    way: str = ""
    action: str = ""  # also the first part: `station` finds station.change
    subject: str = ""
    limit: int = 100


class AuditFinding(msgspec.Struct, frozen=True):
    """What is wrong with the chain, from one entry to another."""

    kind: Literal["changed", "replaced", "missing", "added", "cut", "mark"]
    first_id: int
    last_id: int
    words: str


class AuditVerdict(msgspec.Struct, frozen=True):
    """What a check of the whole audit has found."""

    entries: int
    first_id: int  # of those that are kept; 0: there are none
    last_id: int
    head: str  # "<last id>:<hash>": whoever has noted it elsewhere can prove that nothing before it was exchanged
    findings: tuple[AuditFinding, ...] = ()

    @property
    def is_intact(self) -> bool:
        """Nothing was changed, deleted, exchanged or added behind csmsd's back."""
        return not self.findings


class Audit(ABC):
    """Who changed what: append-only, each entry chained to the one before by its hash."""

    @abstractmethod
    def record(self, actor: str, action: str, subject: str, before: object = None, after: object = None) -> None:
        """Note a change; `actor` as `actor_of` makes it; `before` and `after` anything msgspec encodes, no secrets."""

    @abstractmethod
    async def entries(self, wanted: AuditFilter | None = None) -> Sequence[AuditEntry]:
        """Newest first, unless `after_id` is given."""

    @abstractmethod
    async def verify(self, anchor: str = "") -> AuditVerdict:
        """Read everything and check the chain; `anchor` is a head that was noted earlier. ValueError if it is none."""


class Host(ABC):
    """One csmsd, as its plugins see it. Two in one process share nothing."""

    config: Config
    env: Env
    store: Store
    hooks: Hooks
    stations: Stations
    credentials: Credentials
    commands: Commands
    events: Events
    journal: Journal
    plugins: Plugins
    facts: Facts
    audit: Audit

    @property
    @abstractmethod
    def actions(self) -> Mapping[str, AnyAction]:
        """Every action of the enabled plugins, by OCPP name."""

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Are stations let in now?"""

    @property
    @abstractmethod
    def ocpp_urls(self) -> Sequence[str]:
        """Where stations connect, without the identity: `ws://127.0.0.1:9000/ocpp`."""

    @abstractmethod
    def reload_certificates(self) -> None:
        """Read the listeners' certificates and client roots anew: newcomers get them, nobody is dropped (SEC-11).

        ConfigError if they cannot be used; then everything stays as it was.
        """

    @abstractmethod
    def metrics(self) -> Sequence[Metric]:
        """The kernel's and the plugins' figures."""

    @abstractmethod
    def call_later(self, seconds: float, callback: Callable[[], Any]) -> Callable[[], None]:
        """Call a plain function after a while; returns a function that calls it off."""

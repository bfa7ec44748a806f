"""Webhooks as a service: added, removed, disabled and enabled while csmsd runs, each with a reader of its own."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import trio

from csmsd.errors import CsmsdError
from csmsd.facts import FactReader, Patience
from csmsd.host import Host
from csmsd_events import sending, signing
from csmsd_events.addresses import ForbiddenAddress, Policy
from csmsd_events.book import Book, NewWebhook, Stored, Webhook
from csmsd_events.config import EventsConfig
from csmsd_events.delivery import Attempt, Deliverer
from csmsd_events.envelope import TEST_TYPE, Event, exact_names
from csmsd_events.sending import InvalidUrl, Resolve, Sender, resolve

log = logging.getLogger("csmsd.plugin.events")

GONE = "the receiver answered 410 Gone"


class UnknownWebhook(CsmsdError):
    """There is no webhook of that number."""


class InvalidWebhook(CsmsdError):
    """A webhook cannot be like that: says what is wrong."""


class WebhookStatus(msgspec.Struct, frozen=True):
    """A webhook, and how it is doing."""

    webhook: Webhook
    backlog: int  # facts that its reader has before it
    delivered: int  # since start
    failed: int  # attempts, since start
    last: Attempt | None


@dataclass(slots=True)
class _Line:
    """A webhook that is there; it works while `stop` is set."""

    stored: Stored
    deliverer: Deliverer
    sender: Sender
    reader: FactReader
    stop: trio.CancelScope | None = None
    ended: trio.Event | None = None


class Webhooks:
    """All of them. `serve` is their task."""

    def __init__(self, host: Host, config: EventsConfig, plugin: str, resolver: Resolve = resolve) -> None:
        self._host, self._config, self._plugin = host, config, plugin
        self._resolver = resolver
        self._policy = Policy(config.webhooks.internal)
        self._book = Book(host.store)
        self._lines: dict[int, _Line] = {}
        self._nursery: trio.Nursery | None = None
        self._changing = trio.Lock()

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Deliver until cancelled."""
        async with trio.open_nursery() as nursery:
            self._lines = {stored.webhook.id: self._line(stored) for stored in await self._book.load()}
            self._nursery = nursery
            try:
                for line in self._lines.values():
                    await self._start(line)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # -- for operators ---------------------------------------------------------------------------

    def status(self) -> Sequence[WebhookStatus]:
        """All of them, by number."""
        return [self._status_of(line) for line in self._lines.values()]

    def get(self, id_: int) -> WebhookStatus:
        """One; UnknownWebhook."""
        return self._status_of(self._find(id_))

    def attempts(self, id_: int) -> Sequence[Attempt]:
        """The last hundred deliveries since start, newest first; UnknownWebhook."""
        return self._find(id_).deliverer.attempts

    async def add(
        self, url: str, types: Sequence[str], stations: Sequence[str], *, secret: str | None = None, note: str = ""
    ) -> tuple[Webhook, str]:
        """A new one, which gets what happens from now on, and its secret; InvalidWebhook."""
        await self._check(url)
        secret = secret or signing.new_secret(self._host.env.token_bytes)
        try:
            signing.key_of(secret)
        except ValueError as error:
            raise InvalidWebhook(str(error)) from None
        if not types or not stations:
            raise InvalidWebhook("a webhook that no event fits is of no use: * fits all")
        new = NewWebhook(url, secret, tuple(types), tuple(stations), note, self._host.env.now())
        async with self._changing:
            stored = await self._book.add(new)
            line = self._lines[stored.webhook.id] = self._line(stored)
            await self._start(line)
        return stored.webhook, secret

    async def remove(self, id_: int) -> Webhook:
        """Forget it, with its place and its dead letters; UnknownWebhook."""
        async with self._changing:
            line = self._find(id_)
            await self._stop(line)
            await self._book.remove(id_)
            await self._host.facts.forget(self._plugin, reader_name(id_))
            del self._lines[id_]
            return line.stored.webhook

    async def disable(self, id_: int, because: str = "an operator disabled it") -> Webhook:
        """Send nothing there; what happens meanwhile waits for it. UnknownWebhook."""
        return await self._set(id_, because)

    async def enable(self, id_: int) -> Webhook:
        """Go on where it stopped; UnknownWebhook."""
        return await self._set(id_, "")

    async def test(self, id_: int) -> Attempt:
        """Post an event of the type `csmsd.test`, once and now; UnknownWebhook."""
        line, env = self._find(id_), self._host.env
        event = Event(env.new_id(), self._config.source, TEST_TYPE, env.now(), "", msgspec.Raw(b"{}"))
        attempt = await line.deliverer.post(event)
        if not line.stored.webhook.is_enabled:
            await line.sender.close()
        return attempt

    # -- inside ----------------------------------------------------------------------------------

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Read when there is a webhook: it takes a while."""
        return tls_context(self._config)

    async def _check(self, url: str) -> None:
        """Early, for the operator's sake; the address is judged again for every connection."""
        try:
            target = sending.target_of(url)
            addresses = await self._resolver(target.host, target.port)
            self._policy.select(target.host, addresses, is_tls=target.is_tls)
        except (InvalidUrl, ForbiddenAddress) as error:
            raise InvalidWebhook(str(error)) from None
        except OSError as error:
            raise InvalidWebhook(f"the host of {url} has no address: {error.strerror}") from None

    async def _set(self, id_: int, because: str) -> Webhook:
        async with self._changing:
            line = self._find(id_)
            if line.stored.webhook.disabled_because == because:
                return line.stored.webhook
            await self._book.disable(id_, because)
            await self._stop(line)
            webhook = msgspec.structs.replace(line.stored.webhook, disabled_because=because)
            line = self._lines[id_] = self._line(Stored(webhook, line.stored.secret))
            await self._start(line)
            return webhook

    def _find(self, id_: int) -> _Line:
        line = self._lines.get(id_)
        if line is None:
            raise UnknownWebhook(f"there is no webhook {id_}")
        return line

    def _status_of(self, line: _Line) -> WebhookStatus:
        last = next(iter(line.deliverer.attempts), None)
        counts = line.deliverer.delivered, line.deliverer.failed
        return WebhookStatus(line.stored.webhook, line.reader.backlog, *counts, last)

    def _line(self, stored: Stored) -> _Line:
        settings, webhook = self._config.webhooks, stored.webhook
        sender = Sender(
            webhook.url,
            self._policy,
            tls=self._tls,
            timeout=settings.timeout,
            at_once=settings.at_once,
            resolver=self._resolver,
        )
        deliverer = Deliverer(
            stored, sender, self._host.env, self._config.source, settings.at_once, lambda: self._gone(webhook.id)
        )
        patience = Patience(settings.attempts, settings.first_pause, settings.longest_pause)
        names, name = exact_names(webhook.types), reader_name(webhook.id)
        reader = self._host.facts.reader(self._plugin, name, deliverer.take, names, patience)
        return _Line(stored, deliverer, sender, reader)

    async def _start(self, line: _Line) -> None:
        if self._nursery is None or not line.stored.webhook.is_enabled:
            return
        line.stop, line.ended = trio.CancelScope(), trio.Event()
        await self._nursery.start(self._run, line, line.stop, line.ended)

    async def _run(
        self, line: _Line, stop: trio.CancelScope, ended: trio.Event, task_status: trio.TaskStatus[None]
    ) -> None:
        try:
            with stop:
                async with line.sender:
                    await line.reader.run(task_status)
        finally:
            ended.set()

    async def _stop(self, line: _Line) -> None:
        if line.stop is not None and line.ended is not None:
            line.stop.cancel()
            await line.ended.wait()

    def _gone(self, id_: int) -> None:
        """Called from within a delivery, which cannot wait for its own end."""
        if self._nursery is not None:
            log.warning("webhook %d is disabled: %s", id_, GONE)
            self._nursery.start_soon(self._disable_gone, id_)

    async def _disable_gone(self, id_: int) -> None:
        if id_ in self._lines:
            before = self._lines[id_].stored.webhook
            if before.is_enabled:
                after = await self.disable(id_, GONE)
                self._host.audit.record("csmsd", "events.webhook.disable", str(id_), before, after)


def reader_name(id_: int) -> str:
    """Whose place in the outbox it is, and whose dead letters."""
    return f"webhook-{id_}"


def tls_context(config: EventsConfig) -> ssl.SSLContext:
    """What receivers are checked against."""
    context = ssl.create_default_context()
    if config.webhooks.ca_file:
        context.load_verify_locations(config.webhooks.ca_file)
    return context

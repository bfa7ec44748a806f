"""Events as a plugin: facts leave csmsd as webhooks and over MQTT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import trio

from csmsd.facts import FactReader
from csmsd.hookspecs import Metric, hookimpl
from csmsd.host import Host
from csmsd.plugin import Migrations, Plugin
from csmsd_events import cli, tables
from csmsd_events.config import EventsConfig
from csmsd_events.envelope import exact_names
from csmsd_events.webhooks import Webhooks

MQTT_READER = "mqtt"


class EventsPlugin(Plugin[EventsConfig]):
    """Delivers facts of every plugin as signed webhooks and over MQTT, at least once and in order per station."""

    name = "events"
    config_type = EventsConfig
    migrations = Migrations("csmsd_events", tables.metadata)
    cli = (cli.events,)

    def __init__(self, config: EventsConfig, host: Host) -> None:
        super().__init__(config, host)
        self.webhooks = Webhooks(host, config, self.name)
        self._publisher: Any = None
        self._mqtt: FactReader | None = None

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Facts are read only while somebody wants them."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.webhooks.serve)
            if self.config.mqtt.host:
                await self._publish_in(nursery)
            else:  # a place that nobody reads from would keep facts for it
                await self.host.facts.forget(self.name, MQTT_READER)
            task_status.started()

    async def _publish_in(self, nursery: trio.Nursery) -> None:
        from csmsd_events.mqtt import Publisher

        settings = self.config.mqtt
        self._publisher = publisher = Publisher(settings, self.config.source)
        names = exact_names(settings.types)
        self._mqtt = self.host.facts.reader(self.name, MQTT_READER, publisher.take, names)
        await nursery.start(publisher.serve)
        await nursery.start(self._mqtt.run)

    @hookimpl
    def report_metrics(self) -> Iterable[Metric]:
        """How each way out is doing."""
        found: list[Metric] = []
        for status in self.webhooks.status():
            labels = (("webhook", str(status.webhook.id)),)
            found += [
                Metric("events_webhook_enabled", "1 while it is used", float(status.webhook.is_enabled), labels),
                Metric("events_webhook_backlog", "Facts it has before it", status.backlog, labels),
                Metric("events_webhook_delivered_total", "Events delivered", status.delivered, labels, "counter"),
                Metric("events_webhook_failed_total", "Attempts that failed", status.failed, labels, "counter"),
            ]
        if self._publisher is not None and self._mqtt is not None:
            found += [
                Metric("events_mqtt_connected", "1 while the broker is there", float(self._publisher.is_connected)),
                Metric("events_mqtt_backlog", "Facts that wait for the broker", self._mqtt.backlog),
                Metric("events_mqtt_published_total", "Messages published", self._publisher.published, type="counter"),
            ]
        return found

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This plugin's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_events.routes import events_routes

        return events_routes(self)

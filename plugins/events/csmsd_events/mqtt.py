"""Publishing to an MQTT broker: QoS 1, nothing lost while the broker is away, because the reader keeps its place.

paho-mqtt runs the connection in a thread of its own, comes back by itself and repeats what was not acknowledged. Trio
waits for the acknowledgement of each event, so that there are never more under way than stations at once.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import paho.mqtt.client as paho
import trio
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from csmsd.facts import RecordedFact
from csmsd_events.config import MqttConfig
from csmsd_events.envelope import event_of, fits

log = logging.getLogger("csmsd.plugin.events")

STATUS_FACT = "connector_status_changed"
PARTING = 3.0  # seconds for saying offline when csmsd stops
FIRST_PAUSE, LONGEST_PAUSE = 1, 30  # seconds between attempts to reach the broker
AT_ONCE = 100


class _ConnectorStatus(msgspec.Struct):
    """What the retained topic is made of."""

    connector_id: int


class Publisher:
    """One connection to one broker. `serve` is its task; `take` is what its reader calls."""

    def __init__(self, config: MqttConfig, source: str) -> None:
        self._config, self._source = config, source
        self._acknowledged: dict[int, trio.Event] = {}
        self._client: paho.Client | None = None
        self.is_connected = False
        self.published = 0

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Connect, and stay connected until cancelled; a broker that is away holds up nobody but its own events."""
        token = trio.lowlevel.current_trio_token()
        client = await trio.to_thread.run_sync(self._make_client)  # reads files
        self._listen(client, token)
        host, port = self._config.address
        client.connect_async(host, port, self._config.keepalive)
        client.loop_start()
        self._client = client
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self._client = None
            with trio.move_on_after(2 * PARTING, shield=True):
                await trio.to_thread.run_sync(self._part, client, abandon_on_cancel=True)
            self.is_connected = False

    async def take(self, fact: RecordedFact) -> None:
        """Publish, and return when the broker has it."""
        if not fits(fact.name, self._config.types) or not fits(fact.station_id, self._config.stations):
            return
        body = msgspec.json.encode(event_of(fact, self._source))
        station, connector = escaped(fact.station_id), None
        if fact.name == STATUS_FACT and self._config.connector_topic:
            connector = msgspec.json.decode(fact.payload, type=_ConnectorStatus).connector_id
        await self._publish(self._config.topic.format(station=station, type=fact.name), body)
        if connector is not None:
            topic = self._config.connector_topic.format(station=station, connector=connector)
            await self._publish(topic, body, retain=True)

    async def _publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        if self._client is None:
            raise OSError("csmsd is not connected to the MQTT broker")
        done = trio.Event()
        sent = self._client.publish(topic, body, qos=1, retain=retain)
        if sent.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):  # the latter: it is queued
            raise OSError(paho.error_string(sent.rc))
        self._acknowledged[sent.mid] = done
        try:
            await done.wait()
        finally:
            self._acknowledged.pop(sent.mid, None)
        self.published += 1

    # -- in paho's thread ------------------------------------------------------------------------

    def _listen(self, client: paho.Client, token: trio.lowlevel.TrioToken) -> None:
        def call(function: Callable[..., None], *arguments: Any) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(function, *arguments)

        def connected(
            client: paho.Client, _data: Any, _flags: paho.ConnectFlags, code: ReasonCode, _more: Properties | None
        ) -> None:
            if not code.is_failure and self._config.status_topic:
                client.publish(self._config.status_topic, "online", qos=1, retain=True)
            call(self._connected, "" if not code.is_failure else str(code))

        def disconnected(
            _client: paho.Client, _data: Any, _flags: paho.DisconnectFlags, code: ReasonCode, _more: Properties | None
        ) -> None:
            call(self._disconnected, str(code))

        def published(_client: paho.Client, _data: Any, mid: int, _code: ReasonCode, _more: Properties) -> None:
            call(self._was_published, mid)

        client.on_connect, client.on_disconnect, client.on_publish = connected, disconnected, published

    def _make_client(self) -> paho.Client:
        config = self._config
        client = paho.Client(CallbackAPIVersion.VERSION2, config.client_id, clean_session=True, protocol=paho.MQTTv311)
        client.max_inflight_messages_set(AT_ONCE)
        client.reconnect_delay_set(FIRST_PAUSE, LONGEST_PAUSE)
        if config.username:
            password = Path(config.password_file).read_text(encoding="utf-8").strip() if config.password_file else None
            client.username_pw_set(config.username, password)
        if config.tls:
            untyped: Any = client
            untyped.tls_set_context(ssl.create_default_context(cafile=config.ca_file or None))
        if config.status_topic:
            client.will_set(config.status_topic, "offline", qos=1, retain=True)
        return client

    def _part(self, client: paho.Client) -> None:
        if self._config.status_topic and client.is_connected():
            with suppress(ValueError, RuntimeError):
                client.publish(self._config.status_topic, "offline", qos=1, retain=True).wait_for_publish(PARTING)
        client.disconnect()
        client.loop_stop()

    # -- in trio's thread ------------------------------------------------------------------------

    def _connected(self, error: str) -> None:
        self.is_connected = not error
        where = f"{self._config.host}:{self._config.address[1]}"
        if error:
            log.error("the MQTT broker %s does not let csmsd in: %s", where, error)
        else:
            log.info("events are published to the MQTT broker %s", where)

    def _disconnected(self, reason: str) -> None:
        if self.is_connected and self._client is not None:  # else we part
            log.warning("the connection to the MQTT broker %s is lost: %s; events wait", self._config.host, reason)
        self.is_connected = False

    def _was_published(self, mid: int) -> None:
        done = self._acknowledged.get(mid)
        if done is not None:
            done.set()


def escaped(station_id: str) -> str:
    """An identity as one level of a topic: what MQTT reads otherwise is written as %XX."""
    text = quote(station_id, safe=" !\"&'()*,:;<=>?@[\\]^`{|}~")
    return f"%24{text[1:]}" if text.startswith("$") else text

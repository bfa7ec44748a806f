"""A real MQTT broker: mosquitto, started and stopped as a test likes, with a subscriber of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

NO_BROKER = "no MQTT broker here: apt-get install mosquitto"


def find_broker() -> str:
    """The program; without one: skip, but fail in CI."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROKER)
        pytest.skip(NO_BROKER)
    return found


@dataclass
class Message:
    """What a subscriber got."""

    topic: str
    payload: bytes
    is_retained: bool

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.payload)
        return decoded


@dataclass
class Broker:
    """One, on a port that stays the same."""

    folder: Path
    settings: Sequence[str] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    program: str = field(default_factory=find_broker)

    def start(self) -> None:
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
        lines = [f"listener {self.port} 127.0.0.1", *(self.settings or ["allow_anonymous true"]), "persistence false"]
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen[bytes]([self.program, "-c", str(config)], stdout=log, stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        pytest.fail((self.folder / "log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)
            self.process = None


@contextmanager
def subscriber(broker: Broker, topic: str = "#", **login: str) -> Iterator[list[Message]]:
    """Gets everything, in a thread; comes back by itself."""
    messages: list[Message] = []
    subscribed: list[int] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
    client.reconnect_delay_set(1, 1)
    if login:
        client.username_pw_set(login["username"], login["password"])

    def connected(client: paho.Client, *_: Any) -> None:
        client.subscribe(topic, qos=1)

    def got(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        messages.append(Message(message.topic, bytes(message.payload), message.retain))

    client.on_connect, client.on_message = connected, got
    client.on_subscribe = lambda *_: subscribed.append(1)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        for _ in range(200):
            if subscribed:
                break
            time.sleep(0.02)
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()

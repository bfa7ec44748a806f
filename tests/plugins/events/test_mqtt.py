"""MQTT: a real broker, which may go away at any time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio
import trustme
from hypothesis import given
from hypothesis import strategies as st

from csmsd.errors import ConfigError
from csmsd.testing import TestCsms
from csmsd_core import BootNotification, BootNotificationResponse, StatusNotification, StatusNotificationResponse
from csmsd_events.mqtt import escaped
from tests.plugins.events.broker import Broker, Message, subscriber
from tests.plugins.events.site import happen, open_site, until

OWN_USER = ["user root"] if os.getuid() == 0 else []  # it would become somebody who may not read our files


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder)
    broker.start()
    yield broker
    broker.stop()


def settings(broker: Broker, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": broker.port, **more}


def is_connected(csms: TestCsms) -> bool:
    return any(each.name == "events_mqtt_connected" and each.value == 1 for each in csms.host.metrics())


def events_in(messages: list[Message], topic: str) -> list[str]:
    return [message.event["subject"] for message in messages if message.topic.endswith(topic)]


async def test_events_are_published_and_the_last_status_is_retained(broker: Broker) -> None:
    with subscriber(broker) as live:
        async with open_site(mqtt=settings(broker)) as csms:
            station = await csms.connect("depot/1")
            await station.send("BootNotification", BootNotification("v", "m"), BootNotificationResponse)
            for status in ("Available", "Preparing"):
                told = StatusNotification(1, "NoError", status)
                await station.send("StatusNotification", told, StatusNotificationResponse)
            await until(lambda: len(live) >= 7)
            with subscriber(broker) as late:
                await until(lambda: len(late) >= 2)
        await until(lambda: live[-1].payload == b"offline")
    by_topic = {message.topic: message for message in late}
    assert by_topic.keys() == {"csmsd/status", "csmsd/depot%2F1/connectors/1"}
    assert by_topic["csmsd/status"].payload == b"online"
    retained = by_topic["csmsd/depot%2F1/connectors/1"]
    assert retained.is_retained
    assert (retained.event["subject"], retained.event["data"]["status"]) == ("depot/1", "Preparing")
    topics = [message.topic for message in live]
    assert topics[0] == "csmsd/status"
    assert [topic for topic in topics if "connectors" not in topic and topic != "csmsd/status"] == [
        "csmsd/depot%2F1/station_registered",
        "csmsd/depot%2F1/station_booted",
        "csmsd/depot%2F1/connector_status_changed",
        "csmsd/depot%2F1/connector_status_changed",
    ]


async def test_without_a_broker_no_place_is_kept(broker: Broker, tmp_path: Path) -> None:
    """It would keep facts in the outbox for somebody who never comes."""
    data = tmp_path / "data"
    data.mkdir()
    query = sa.text("SELECT count(*) FROM kernel_outbox_cursor WHERE plugin = 'events/mqtt'")
    for mqtt, count in ((settings(broker), 1), ({}, 0)):
        async with open_site(data, mqtt=mqtt) as csms:
            assert await csms.host.store.read(lambda connection: connection.execute(query).scalar_one()) == count


@pytest.mark.req("B-06", "B-09")
@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_nothing_is_lost_while_the_broker_is_away(broker: Broker, kill: bool) -> None:
    with subscriber(broker, "csmsd/+/station_registered") as messages:
        async with open_site(mqtt=settings(broker)) as csms:
            await until(lambda: is_connected(csms))
            await happen(csms, "A-1")
            await until(lambda: len(messages) == 1)
            await trio.to_thread.run_sync(lambda: broker.stop(kill=kill))
            await until(lambda: not is_connected(csms))
            for number in range(2, 60):
                await happen(csms, f"A-{number}", "B")
            with subscriber_after_start(broker) as later:
                await until(lambda: len({*map(place, [*messages, *later])}) >= 1 + 2 * 58)
    both = [*messages, *later]
    assert {who for who, _ in map(place, both)} == {"B", *(f"A-{number}" for number in range(1, 60))}
    for heard in (messages, later):
        of_b = [number for who, number in map(place, heard) if who == "B"]
        firsts = list(dict.fromkeys(of_b))
        assert firsts == sorted(firsts)


class subscriber_after_start:  # noqa: N801 -- reads as a function
    """Start the broker, with a subscriber that is there before csmsd is back."""

    def __init__(self, broker: Broker) -> None:
        broker.start()
        self._inner = subscriber(broker, "csmsd/+/station_registered")

    def __enter__(self) -> list[Message]:
        return self._inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)


def place(message: Message) -> tuple[str, int]:
    return message.event["subject"], int(message.event["id"].partition("-")[0])


async def test_csmsd_goes_on_where_it_stopped_while_the_broker_was_away(broker: Broker, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    async with open_site(data, mqtt=settings(broker)) as csms:
        await until(lambda: is_connected(csms))
        await trio.to_thread.run_sync(broker.stop)
        await happen(csms, "CP-1", "CP-2")
    broker.start()
    with subscriber(broker, "csmsd/+/station_registered") as messages:
        async with open_site(data, mqtt=settings(broker)):
            await until(lambda: {who for who, _ in map(place, messages)} == {"CP-1", "CP-2"})


async def test_the_will_says_that_csmsd_is_gone(broker: Broker) -> None:
    with subscriber(broker, "site/7/status") as messages:
        async with open_site(mqtt=settings(broker, status_topic="site/7/status")) as csms:
            await until(lambda: is_connected(csms))
            await until(lambda: [each.payload for each in messages] == [b"online"])
            plugin: Any = csms.host.plugins.get("events")
            plugin._publisher._client._sock_close()  # the network fails: no DISCONNECT is said
            await until(lambda: [each.payload for each in messages][:3] == [b"online", b"offline", b"online"])


async def test_a_password_lets_in_and_types_are_chosen(tmp_path: Path) -> None:
    passwords, secret = password_files(tmp_path)
    broker = Broker(tmp_path, ["allow_anonymous false", f"password_file {passwords}", *OWN_USER])
    broker.start()
    try:
        login = {"username": "csmsd", "password": "correct-horse"}
        mine = settings(
            broker,
            username="csmsd",
            password_file=str(secret),
            topic="{type}/of/{station}",
            types=["station_b*"],
            stations=["CP-*"],
            status_topic="",
        )
        with subscriber(broker, **login) as messages:
            async with open_site(mqtt=mine) as csms:
                for name in ("X", "CP-1"):
                    station = await csms.connect(name)
                    await station.send("BootNotification", BootNotification("v", "m"), BootNotificationResponse)
                await until(lambda: bool(messages))
                await trio.sleep(0.1)
        assert [message.topic for message in messages] == ["station_booted/of/CP-1"]
        secret.write_text("wrong")
        async with open_site(mqtt=mine) as csms:
            await trio.sleep(0.5)
            assert not is_connected(csms)
            await happen(csms, "CP-2")  # nobody is held up
    finally:
        broker.stop()


# paho leaves the socket of a handshake that failed to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
async def test_tls_is_checked(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for name, ca in (("good", authority), ("bad", other)):
        ca.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    files = (f"certfile {tmp_path / 'certificate.pem'}", f"keyfile {tmp_path / 'key.pem'}")
    broker = Broker(tmp_path, ["allow_anonymous true", *files, *OWN_USER])
    broker.start()
    try:
        for roots, is_in in (("bad", False), ("good", True)):
            tls = settings(broker, tls=True, ca_file=str(tmp_path / f"{roots}.pem")) | {"host": "localhost"}
            async with open_site(mqtt=tls) as csms:
                with trio.move_on_after(20 if is_in else 1):
                    await until(lambda csms=csms: is_connected(csms))  # type: ignore[misc]  # bound in a loop
                assert is_connected(csms) is is_in
    finally:
        broker.stop()


def password_files(folder: Path) -> tuple[Path, Path]:
    """The broker's and csmsd's."""
    passwords, secret = folder / "passwords", folder / "secret"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "csmsd", "correct-horse"], check=True)
    secret.write_text("correct-horse\n")
    return passwords, secret


@given(st.text(min_size=1, max_size=48))
def test_an_identity_is_one_level_of_a_topic(station_id: str) -> None:
    level = escaped(station_id.encode("utf-8", "replace").decode())
    assert not {"/", "+", "#", "\x00"} & set(level)
    assert not level.startswith("$")


def test_usual_identities_stay_as_they_are() -> None:
    assert escaped("DE*ABC*E123-4_5.6:7") == "DE*ABC*E123-4_5.6:7"
    assert escaped("$SYS") == "%24SYS"


@pytest.mark.parametrize("topic", ["csmsd/{station}/{nonsense}", "csmsd/#", "csmsd/{"])
async def test_a_topic_that_cannot_be_is_refused_at_start(topic: str) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_site(mqtt={"host": "127.0.0.1", "topic": topic}):
            pass
    assert caught.group_contains(ConfigError, match="topic")

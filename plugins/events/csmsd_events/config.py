"""`[plugin.events]`: how events are delivered. Webhooks themselves are added while csmsd runs."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class WebhookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For all webhooks. Times in seconds."""

    internal_networks: Annotated[
        tuple[str, ...], "Networks, like 10.1.0.0/16, that webhooks may reach although they are not the Internet."
    ] = ()
    ca_file: Annotated[str, "A PEM file of roots that receivers' certificates may have beside the system's."] = ""
    timeout: Annotated[Seconds, "For one delivery, from the name's resolution to the end of the answer."] = 10.0
    attempts: Annotated[Count, "Of one event, before it becomes a dead letter."] = 20
    first_pause: Annotated[Seconds, "After the first failed attempt; doubled by each further one."] = 1.0
    longest_pause: Annotated[Seconds, "No pause is longer, unless the receiver asks for it."] = 3600.0
    at_once: Annotated[Count, "Deliveries of one webhook at the same time, each of another station."] = 8

    def __post_init__(self) -> None:
        for text in self.internal_networks:
            ip_network(text)  # ValueError: names what is wrong with it

    @property
    def internal(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The internal networks, as numbers."""
        return tuple(ip_network(text) for text in self.internal_networks)


class MqttConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker that events are published to, if any."""

    host: Annotated[str, "The broker; empty = nothing is published."] = ""
    port: Annotated[int, Meta(ge=0, le=65535), "Its port; 0 = 1883, with TLS 8883."] = 0
    tls: Annotated[bool, "Encrypt, and check the broker's certificate."] = False
    ca_file: Annotated[str, "A PEM file of roots that the broker's certificate must have; empty = the system's."] = ""
    username: Annotated[str, "To log in with; empty = not at all."] = ""
    password_file: Annotated[str, "A file with the password."] = ""
    client_id: Annotated[str, "Who we are; empty = the broker chooses."] = ""
    topic: Annotated[str, "For each event; {station} and {type} are filled in."] = "csmsd/{station}/{type}"
    connector_topic: Annotated[
        str, "For the last status of each connector, retained; {station} and {connector}; empty = none."
    ] = "csmsd/{station}/connectors/{connector}"
    status_topic: Annotated[str, "Says online or offline, retained; empty = none."] = "csmsd/status"
    types: Annotated[tuple[str, ...], "Which events; * stands for anything."] = ("*",)
    stations: Annotated[tuple[str, ...], "Of which stations; * stands for anything."] = ("*",)
    keepalive: Annotated[int, Meta(ge=5, le=65535), "Seconds of silence before the broker is asked."] = 60

    def __post_init__(self) -> None:
        if self.host:
            for name, value in (("topic", self.topic), ("connector_topic", self.connector_topic)):
                check_template(name, value)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (8883 if self.tls else 1883)


class EventsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    source: Annotated[str, Meta(min_length=1), "Whose events they are: `source` of every event."] = "csmsd"
    webhooks: WebhookConfig = msgspec.field(default_factory=WebhookConfig)
    mqtt: MqttConfig = msgspec.field(default_factory=MqttConfig)


def check_template(name: str, template: str) -> None:
    """ValueError if it names something that there is not, or if it could be no topic."""
    if "+" in template or "#" in template:
        raise ValueError(f"{name} has + or #, which are for subscribers")
    try:
        template.format(station="", type="", connector=0)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(f"{name} {template!r} uses something other than {{station}} and {{type}}: {error}") from None

"""`csmsd events`: types of events, and webhooks of a running csmsd, over its management API."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from csmsd.cli.failure import Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient
from csmsd.facts import SetAside
from csmsd_events.book import Webhook
from csmsd_events.catalog import EventType
from csmsd_events.delivery import Attempt
from csmsd_events.webhooks import WebhookStatus, reader_name

FAILED = "/plugins/events/facts/failed"


class _Created(msgspec.Struct, frozen=True):
    """The answer to a new webhook."""

    webhook: Webhook
    secret: str


@click.group()
def events() -> None:
    """Events for others: types, webhooks."""


@events.command("types")
@takes_server
def list_types(client: ApiClient, output: Output) -> None:
    """List the types of events; with --json also JSON Schema and an example of each."""
    output.rows(
        client.items("/event-types"),
        EventType,
        (("type", lambda row: row.type), ("of", lambda row: row.plugin), ("about", lambda row: row.summary)),
        "no plugin tells of anything",
    )


@events.group()
def webhook() -> None:
    """Webhooks: add, list, test, deliveries, dead letters, retry, disable, enable, remove."""


@webhook.command("add")
@click.argument("receiver", metavar="URL")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Events of this type; transaction_* fits several.")
@click.option("--station", "stations", multiple=True, metavar="STATION", help="Of this station; DEPOT-* fits several.")
@click.option("--secret", metavar="whsec_…", help="The secret that signs. [a new one]")
@click.option("--note", default="", help="For people.")
@takes_server
def add_webhook(
    client: ApiClient, output: Output, receiver: str, types: tuple[str, ...], stations: tuple[str, ...], **more: Any
) -> None:
    """Post what happens from now on to URL, signed."""
    body = {name: value for name, value in more.items() if value}
    body |= {"url": receiver, "types": types or ("*",), "stations": stations or ("*",)}
    answer = client.post("/webhooks", body)
    made = msgspec.json.decode(answer, type=_Created)
    output.record(
        answer,
        lambda: (
            f"webhook {made.webhook.id} is added\n"
            f"  secret     {made.secret}   is not told again\n"
            f"  next       csmsd events webhook test {made.webhook.id}"
        ),
    )


@webhook.command("list")
@takes_server
def list_webhooks(client: ApiClient, output: Output) -> None:
    """List webhooks, and how they are doing."""
    output.rows(
        client.items("/webhooks"),
        WebhookStatus,
        (
            ("webhook", lambda row: row.webhook.id),
            ("url", lambda row: row.webhook.url),
            ("types", lambda row: row.webhook.types),
            ("stations", lambda row: row.webhook.stations),
            ("state", lambda row: row.webhook.disabled_because or "enabled"),
            ("backlog", lambda row: row.backlog),
            ("delivered", lambda row: row.delivered),
            ("failed", lambda row: row.failed),
            ("last", lambda row: None if row.last is None else row.last.error or row.last.at),
        ),
        "no webhooks: `csmsd events webhook add <url>` adds one",
    )


@webhook.command("remove")
@click.argument("number", type=int)
@takes_server
def remove_webhook(client: ApiClient, output: Output, number: int) -> None:
    """Remove webhook NUMBER, with what waits for it and its dead letters."""
    client.delete(f"/webhooks/{number}")
    output.done(f"webhook {number} is removed")


@webhook.command("disable")
@click.argument("number", type=int)
@takes_server
def disable_webhook(client: ApiClient, output: Output, number: int) -> None:
    """Post nothing to webhook NUMBER for now: what happens waits for it."""
    answer = client.post(f"/webhooks/{number}/disable")
    output.record(answer, lambda: f"webhook {number} is disabled")


@webhook.command("enable")
@click.argument("number", type=int)
@takes_server
def enable_webhook(client: ApiClient, output: Output, number: int) -> None:
    """Let webhook NUMBER go on where it stopped."""
    answer = client.post(f"/webhooks/{number}/enable")
    output.record(answer, lambda: f"webhook {number} is enabled")


@webhook.command("test")
@click.argument("number", type=int)
@takes_server
def test_webhook(client: ApiClient, output: Output, number: int) -> None:
    """Post a test to webhook NUMBER, once, and say how it went."""
    answer = client.post(f"/webhooks/{number}/test", timeout=None)
    attempt = msgspec.json.decode(answer, type=Attempt)
    if not attempt.is_delivered:
        raise Failure(f"webhook {number} took no test: {attempt.error}")
    output.record(answer, lambda: f"the receiver answered {attempt.status} after {attempt.milliseconds} ms")


@webhook.command("deliveries")
@click.argument("number", type=int)
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the newest first. [20]")
@takes_server
def list_deliveries(client: ApiClient, output: Output, number: int, limit: int) -> None:
    """List what was lately tried to deliver to webhook NUMBER."""
    output.rows(
        list(client.items(f"/webhooks/{number}/deliveries"))[:limit],
        Attempt,
        (
            ("at", lambda row: row.at),
            ("event", lambda row: row.event_id),
            ("type", lambda row: row.type),
            ("station", lambda row: row.station_id or None),
            ("answer", lambda row: row.status or None),
            ("ms", lambda row: row.milliseconds),
            ("error", lambda row: row.error or None),
        ),
        "nothing was delivered since csmsd started",
    )


@webhook.command("dead-letters")
@click.argument("number", type=int)
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the oldest first. [20]")
@takes_server
def list_dead_letters(client: ApiClient, output: Output, number: int, limit: int) -> None:
    """List the events that webhook NUMBER did not take, however often they were tried."""
    output.rows(
        client.items(FAILED, most=limit, reader=reader_name(number)),
        SetAside,
        (
            ("fact", lambda row: row.fact_id),
            ("type", lambda row: row.name),
            ("station", lambda row: row.station_id),
            ("attempts", lambda row: row.attempts),
            ("given up", lambda row: row.set_aside_at),
            ("reason", lambda row: row.reason),
        ),
        f"webhook {number} has no dead letters",
    )


@webhook.command("retry")
@click.argument("number", type=int)
@click.argument("fact", type=int, required=False)
@takes_server
def retry_dead_letters(client: ApiClient, output: Output, number: int, fact: int | None) -> None:
    """Deliver a dead letter of webhook NUMBER, or all of them, the oldest first, until one fails."""
    reader = reader_name(number)
    if fact is None:
        dead = [msgspec.json.decode(one, type=SetAside).fact_id for one in client.items(FAILED, reader=reader)]
    else:
        dead = [fact]
    for fact_id in dead:
        client.post(f"{FAILED}/{fact_id}/retry?reader={reader}", timeout=None)
    output.done(f"webhook {number} has taken {len(dead)} events")

"""Types of events: every fact of every built-in plugin, with a schema that its example and real events fit."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from csmsd.facts import KERNEL_FACTS
from csmsd_core import BootNotification, BootNotificationResponse, StatusNotification, StatusNotificationResponse
from csmsd_events.catalog import EventType, event_types, page
from csmsd_events.envelope import Event
from tests.plugins.events.receiver import open_receiver
from tests.plugins.events.site import open_site, webhooks_of
from tests.plugins.profile import ask

ROOT = Path(__file__).parents[3]
KNOWN = runpy.run_path(str(ROOT / "scripts/events_page.py"))["known_facts"]()
TYPES = event_types(KNOWN)


def test_the_page_is_up_to_date() -> None:
    """If not: python scripts/events_page.py > docs/events.md."""
    assert (ROOT / "docs/events.md").read_text(encoding="utf-8") == page(TYPES)


def test_every_fact_is_described() -> None:
    names = {each.type for each in TYPES}
    assert names >= {fact.name for fact in KERNEL_FACTS}
    assert names >= {"station_booted", "transaction_started", "transaction_stopped", "meter_values_stored"}
    assert names >= {"connector_status_changed", "reservation_changed", "firmware_status_changed"}
    assert names >= {"diagnostics_status_changed", "security_event_received", "station_registered"}
    assert all(len(each.summary.split()) > 2 for each in TYPES)


@pytest.mark.parametrize("each", TYPES, ids=[each.type for each in TYPES])
def test_the_example_fits_its_schema_and_its_type(each: EventType) -> None:
    jsonschema.Draft202012Validator.check_schema(each.schema)
    jsonschema.validate(each.example["data"], each.schema, format_checker=jsonschema.FormatChecker())
    KNOWN[each.type][1].decode(msgspec.json.encode(each.example["data"]))
    event = msgspec.json.decode(msgspec.json.encode(each.example), type=Event)
    assert msgspec.json.decode(msgspec.json.encode(event)) == each.example


async def test_what_is_delivered_fits_the_schemas_that_the_api_tells() -> None:
    async with open_receiver() as receiver, open_site() as csms:
        await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
        station = await csms.connect("CP-1")
        await station.send("BootNotification", BootNotification("v", "m"), BootNotificationResponse)
        status = StatusNotification(1, "NoError", "Available")
        await station.send("StatusNotification", status, StatusNotificationResponse)
        await receiver.has_taken(3)
        told: list[Any] = (await ask(csms, "GET", "/event-types")).json()["items"]
    schemas = {each["type"]: each["schema"] for each in told}
    for request in receiver.taken:
        jsonschema.validate(request.event["data"], schemas[request.event["type"]])
    assert {request.event["type"] for request in receiver.taken} == {
        "station_registered",
        "station_booted",
        "connector_status_changed",
    }

"""The management API of webhooks and of facts that were set aside."""

from __future__ import annotations

from typing import Any

from csmsd.testing import TestCsms
from tests.plugins.events.receiver import Received, accept, answer, open_receiver
from tests.plugins.events.site import happen, open_site, until
from tests.plugins.profile import ask


async def items(csms: TestCsms, path: str) -> list[Any]:
    response = await ask(csms, "GET", path)
    assert response.status_code == 200, response.text
    found: list[Any] = response.json()["items"]
    return found


async def audit(csms: TestCsms) -> list[Any]:
    trail: Any = csms.host.audit
    return list(await trail.entries())


async def test_a_webhook_from_its_addition_to_its_removal() -> None:
    async with open_receiver() as receiver, open_site() as csms:
        body = {"url": receiver.url, "types": ["station_*"], "note": "billing"}
        made = await ask(csms, "POST", "/webhooks", body)
        assert made.status_code == 201
        secret, id_ = made.json()["secret"], made.json()["webhook"]["id"]
        assert secret.startswith("whsec_")
        tested = (await ask(csms, "POST", f"/webhooks/{id_}/test")).json()
        assert (tested["is_delivered"], tested["status"], tested["type"]) == (True, 204, "csmsd.test")
        await happen(csms, "CP-1")
        await receiver.has_taken(2)
        await until(lambda: csms.host.plugins.status()[-1].backlog == 0)
        (shown,) = await items(csms, "/webhooks")
        assert shown == (await ask(csms, "GET", f"/webhooks/{id_}")).json()
        assert (shown["webhook"]["note"], shown["webhook"]["stations"]) == ("billing", ["*"])
        assert (shown["delivered"], shown["failed"], shown["last"]["type"]) == (2, 0, "station_registered")
        assert [each["station_id"] for each in await items(csms, f"/webhooks/{id_}/deliveries")] == ["CP-1", ""]
        for verb, state in (("disable", "an operator disabled it"), ("enable", "")):
            changed = await ask(csms, "POST", f"/webhooks/{id_}/{verb}")
            assert (changed.status_code, changed.json()["disabled_because"]) == (200, state)
        figures = {each.name: each.value for each in csms.host.metrics()}
        assert (figures["events_webhook_enabled"], figures["events_webhook_backlog"]) == (1, 0)
        assert (await ask(csms, "DELETE", f"/webhooks/{id_}")).status_code == 204
        assert await items(csms, "/webhooks") == []
        trail = await audit(csms)
    assert [entry.action for entry in trail if entry.action.startswith("events.")] == [
        f"events.webhook.{verb}" for verb in ("remove", "enable", "disable", "test", "add")
    ]
    assert secret not in repr(trail)


async def test_what_cannot_be_is_refused() -> None:
    async with open_site() as csms:
        for body in ({"url": "https://10.0.0.1/"}, {"url": "x"}, {"url": "https://127.0.0.1/", "secret": "short"}, {}):
            assert (await ask(csms, "POST", "/webhooks", body)).status_code == 422
        for method, path in (
            ("GET", "/webhooks/7"),
            ("DELETE", "/webhooks/7"),
            ("GET", "/webhooks/7/deliveries"),
            ("POST", "/webhooks/7/test"),
            ("POST", "/webhooks/7/enable"),
            ("POST", "/webhooks/7/disable"),
        ):
            response = await ask(csms, method, path)
            assert (response.status_code, response.json()["detail"]) == (404, "there is no webhook 7")


async def test_dead_letters_are_listed_retried_and_discarded() -> None:
    is_well = False

    async def answers(request: Received) -> bytes:
        return await accept(request) if is_well else answer(400)

    async with open_receiver(answers) as receiver, open_site() as csms:
        await ask(csms, "POST", "/webhooks", {"url": receiver.url})
        await happen(csms, *(f"CP-{number}" for number in range(5)))
        failed = "/plugins/events/facts/failed"
        await until(lambda: csms.host.plugins.status()[-1].set_aside == 5)
        dead = await items(csms, failed)
        assert [each["station_id"] for each in dead] == [f"CP-{number}" for number in range(5)]
        assert (dead[0]["reader"], dead[0]["name"], dead[0]["attempts"]) == ("webhook-1", "station_registered", 3)
        assert dead[0]["fact"]["registration"] == "Accepted"
        page = (await ask(csms, "GET", f"{failed}?limit=3&reader=webhook-1")).json()
        rest = (await ask(csms, "GET", page["next"].removeprefix("/api/v1"))).json()
        assert (page["items"] + rest["items"], rest["next"]) == (dead, None)
        assert await items(csms, f"{failed}?reader=webhook-2") == []

        one, two = dead[0]["fact_id"], dead[1]["fact_id"]
        again = await ask(csms, "POST", f"{failed}/{one}/retry?reader=webhook-1")
        assert (again.status_code, again.json()["type"]) == (502, "urn:csmsd:fact-not-taken")
        assert "the receiver answered 400" in again.json()["detail"]
        is_well = True
        assert (await ask(csms, "POST", f"{failed}/{one}/retry?reader=webhook-1")).status_code == 204
        assert (await ask(csms, "DELETE", f"{failed}/{two}?reader=webhook-1")).status_code == 204
        assert len(receiver.taken) == 1
        for method, path in (("POST", f"{failed}/{one}/retry?reader=webhook-1"), ("DELETE", f"{failed}/{two}")):
            assert (await ask(csms, method, path)).json()["type"] == "urn:csmsd:unknown-fact"
        assert (await ask(csms, "GET", "/plugins/nope/facts/failed")).status_code == 404
        assert (await ask(csms, "GET", f"{failed}?after=x")).status_code == 400
        status = next(each for each in await items(csms, "/plugins") if each["name"] == "events")
        assert status["set_aside"] == 3
        trail = [entry.action for entry in await audit(csms)]
    assert trail.count("plugin.fact.discard") == 1
    assert trail.count("plugin.fact.retry") == 1

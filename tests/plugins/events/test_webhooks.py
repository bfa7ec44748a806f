"""Webhooks: real receivers on real sockets, and nothing is lost, whatever they do."""

from __future__ import annotations

import ssl
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import trio
import trustme

from csmsd.hookspecs import Metric
from csmsd_core import BootNotification, BootNotificationResponse
from csmsd_events import InvalidWebhook, UnknownWebhook
from csmsd_events.delivery import seconds_of
from tests.plugins.events.receiver import Received, accept, answer, is_signed, open_receiver
from tests.plugins.events.site import HASTY, happen, open_site, until, webhooks_of


async def test_an_event_arrives_signed_in_its_envelope() -> None:
    async with open_receiver() as receiver, open_site(source="depot") as csms:
        _, secret = await webhooks_of(csms).add(receiver.url, ["station_registered"], ["*"])
        await happen(csms, "CP-1")
        await receiver.has_taken(1)
    (request,) = receiver.taken
    event = request.event
    assert request.line == "POST /hook?for=csmsd HTTP/1.1"
    assert request.headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
    assert request.headers["host"] == f"localhost:{receiver.port}"
    assert request.headers["webhook-id"] == event["id"]
    assert is_signed(request, secret)
    assert event | {"data": {}, "id": "", "time": ""} == {
        "specversion": "1.0",
        "source": "depot",
        "type": "station_registered",
        "subject": "CP-1",
        "datacontenttype": "application/json",
        "data": {},
        "id": "",
        "time": "",
    }
    assert event["data"]["registration"] == "Accepted"
    assert datetime.fromisoformat(event["time"]).utcoffset() is not None
    assert abs(int(request.headers["webhook-timestamp"]) - datetime.fromisoformat(event["time"]).timestamp()) < 30


async def test_types_and_stations_are_chosen_by_patterns() -> None:
    async with open_receiver() as everything, open_receiver() as boots, open_receiver() as depot, open_site() as csms:
        webhooks = webhooks_of(csms)
        await webhooks.add(everything.url, ["*"], ["*"])
        await webhooks.add(boots.url, ["station_boot*"], ["*"])
        await webhooks.add(depot.url, ["*"], ["DEPOT-*"])
        for name in ("DEPOT-1", "CP-1"):
            station = await csms.connect(name)
            await station.send("BootNotification", BootNotification("v", "m"), BootNotificationResponse)
        await everything.has_taken(4)
        await boots.has_taken(2)
        await depot.has_taken(2)
        await until(lambda: all(each.backlog == 0 for each in webhooks.status()))
    told = Counter((request.event["type"], request.event["subject"]) for request in everything.taken)
    assert told == Counter(
        (kind, who) for kind in ("station_registered", "station_booted") for who in ("DEPOT-1", "CP-1")
    )
    assert {request.event["type"] for request in boots.taken} == {"station_booted"}
    assert {request.event["subject"] for request in depot.taken} == {"DEPOT-1"}


@pytest.mark.req("B-06", "B-09")
async def test_order_per_station_holds_while_the_receiver_fails_now_and_then() -> None:
    refusals = 0

    async def moody(request: Received) -> bytes:
        nonlocal refusals
        await trio.lowlevel.checkpoint()
        refusals += 1
        if refusals % 3 == 0:
            return answer(400) if refusals % 2 else b""
        return answer(200, body=b"ok")

    patient = HASTY | {"attempts": 50}
    async with open_receiver(moody) as receiver, open_site(webhooks=patient) as csms:
        await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
        for _ in range(5):
            await happen(csms, "A", "B", "C")
        await receiver.has_taken(15)
    for name in "ABC":
        numbers = [int(id_.partition("-")[0]) for who, id_ in (each.place for each in receiver.taken) if who == name]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == len(numbers) == 5


@pytest.mark.req("B-09")
async def test_a_slow_or_dead_receiver_delays_nobody_else() -> None:
    async def never(_: Received) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async with open_receiver(never) as slow, open_receiver() as good, open_site() as csms:
        webhooks = webhooks_of(csms)
        await webhooks.add(slow.url, ["*"], ["*"])
        await webhooks.add("http://127.0.0.1:1/", ["*"], ["*"])
        await webhooks.add(good.url, ["*"], ["*"])
        began = trio.current_time()
        await happen(csms, *(f"CP-{number}" for number in range(40)))
        await good.has_taken(40)
        assert trio.current_time() - began < 5
        assert slow.most_open <= 8  # at_once


async def test_dead_letters_are_seen_and_can_be_retried() -> None:
    is_well = False

    async def answers(request: Received) -> bytes:
        if is_well or request.event["subject"] != "CP-1":
            return await accept(request)
        return answer(422)

    async with open_receiver(answers) as receiver, open_site() as csms:
        webhook, _ = await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
        await happen(csms, "CP-1", "CP-2")
        await receiver.has_taken(1)
        await until(lambda: next(each.set_aside for each in csms.host.plugins.status() if each.name == "events") == 1)
        assert len(receiver.received) == 4  # three attempts, and the other station's
        (dead,) = await csms.host.facts.set_aside("events", reader=f"webhook-{webhook.id}")
        assert (dead.station_id, dead.name, dead.attempts) == ("CP-1", "station_registered", 3)
        assert "the receiver answered 422" in dead.reason
        first = next(each.place for each in receiver.received if each.place[0] == "CP-1")
        is_well = True
        await csms.host.facts.retry("events", dead.fact_id, reader=dead.reader)
        assert receiver.taken[-1].place == first
        assert await csms.host.facts.set_aside("events") == []


async def test_pauses_grow_and_retry_after_is_honoured() -> None:
    asked = iter(["1", "", "", "0"])

    async def busy(_: Received) -> bytes:
        await trio.lowlevel.checkpoint()
        wait = next(asked, None)
        if wait is None:
            return answer(200)
        return answer(429, f"Retry-After: {wait}") if wait else answer(404)

    patient = HASTY | {"attempts": 9, "first_pause": 0.1, "longest_pause": 10}
    async with open_receiver(busy) as receiver, open_site(webhooks=patient) as csms:
        await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
        await happen(csms, "CP-1")
        await receiver.has_taken(1)
    times = [each.at for each in receiver.received]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[0] >= 1.0
    assert pauses[1] >= 0.2 * 0.8
    assert pauses[2] >= 0.4 * 0.8
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


async def test_a_receiver_that_asks_for_a_pause_gets_it_from_all_stations() -> None:
    is_busy = True

    async def answers(request: Received) -> bytes:
        return answer(503, "retry-after: 2") if is_busy else await accept(request)

    patient = HASTY | {"attempts": 50}
    async with open_receiver(answers) as receiver, open_site(webhooks=patient) as csms:
        webhook, _ = await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
        await happen(csms, "CP-1")
        await receiver.has_received(1)
        is_busy = False
        await happen(csms, "CP-2", "CP-3")
        await receiver.has_taken(3)
        times = [each.at for each in receiver.received]
        assert all(later - times[0] >= 2 for later in times[1:])
        is_busy = True
        receiver.answers = lambda _: _ask_for_a_day()
        await happen(csms, "CP-4")
        await receiver.has_received(5)
        await happen(csms, "CP-5")
        await trio.sleep(1)
        assert len(receiver.received) == 5
        assert webhooks_of(csms).get(webhook.id).backlog == 2


async def _ask_for_a_day() -> bytes:
    await trio.lowlevel.checkpoint()
    return answer(429, "retry-after: 999999999")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("99999999999999999999", 86_400),
        ("Tue, 01 Jan 2030 00:01:00 GMT", 60),
        ("Tue, 01 Jan 2030 00:01:00 -0000", 60),
        ("Mon, 31 Dec 2029 00:00:00 GMT", 0),
        ("Fri, 01 Feb 2030 00:00:00 GMT", 86_400),
        ("soon", 0),
        ("-5", 0),
        ("١٢", 0),
    ],
)
def test_pauses_are_read_as_seconds_or_as_a_date(text: str, seconds: float) -> None:
    assert seconds_of(text, datetime(2030, 1, 1, tzinfo=UTC)) == seconds


async def test_gone_disables_until_somebody_enables_it_again() -> None:
    is_gone = True

    async def answers(request: Received) -> bytes:
        return answer(410) if is_gone else await accept(request)

    async with open_receiver(answers) as receiver, open_site() as csms:
        webhooks = webhooks_of(csms)
        webhook, _ = await webhooks.add(receiver.url, ["*"], ["*"])
        await happen(csms, "CP-1")
        await until(lambda: not webhooks.get(webhook.id).webhook.is_enabled)
        assert "410" in webhooks.get(webhook.id).webhook.disabled_because
        await happen(csms, "CP-2")
        await trio.sleep(0.3)
        assert len(receiver.received) == 1
        assert webhooks.get(webhook.id).backlog == 2
        is_gone = False
        assert (await webhooks.test(webhook.id)).is_delivered
        await webhooks.enable(webhook.id)
        await receiver.has_taken(3)
    assert sorted(each.event["subject"] for each in receiver.taken) == ["", "CP-1", "CP-2"]


async def test_a_receiver_that_does_not_work_is_left_in_peace() -> None:
    async def broken(_: Received) -> bytes:
        await trio.lowlevel.checkpoint()
        return answer(503)

    patient = HASTY | {"attempts": 1000, "first_pause": 0.001, "longest_pause": 0.001}
    async with open_receiver(broken) as receiver, open_site(webhooks=patient) as csms:
        await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
        await happen(csms, *(f"CP-{number}" for number in range(40)))
        await trio.sleep(3)
    assert len({round(each.at, 1) for each in receiver.received}) >= 2
    assert len(receiver.received) <= 8 * 4  # after 0, 1 and 3 s, so many at once


async def test_a_long_answer_is_not_read_and_a_redirect_not_followed() -> None:
    async with open_receiver() as elsewhere:

        async def answers(request: Received) -> bytes:
            await trio.lowlevel.checkpoint()
            if request.event["subject"] == "CP-1":
                return answer(307, f"location: {elsewhere.url}")
            return b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 1000

        async with open_receiver(answers) as receiver, open_site() as csms:
            webhook, _ = await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
            await happen(csms, "CP-1", "CP-2")
            await receiver.has_taken(1)
            await until(lambda: len(receiver.received) == 4)
            errors = {each.error for each in webhooks_of(csms).attempts(webhook.id)}
        assert elsewhere.received == []
    assert errors == {"", "the receiver answered 307"}


@pytest.mark.req("B-06", "B-09")
async def test_what_arrives_is_delivered_once_more_if_csmsd_died_before_it_knew(tmp_path: Path) -> None:
    """The answer is lost: the receiver has the event, csmsd cannot know. The id tells that it is the same."""
    is_dying = trio.Event()

    async def die(_: Received) -> bytes:
        is_dying.set()
        await trio.sleep_forever()
        raise AssertionError

    async with open_receiver(die) as receiver:
        async with open_site(tmp_path) as csms:
            await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
            await happen(csms, "CP-1", "CP-2")
            await is_dying.wait()
            await happen(csms, "CP-1")
        before = {each.place for each in receiver.received}
        receiver.answers = accept
        async with open_site(tmp_path) as csms:
            await receiver.has_taken(3)
            await until(lambda: webhooks_of(csms).status()[0].backlog == 0)
    assert before <= {each.place for each in receiver.taken}
    assert [who for who, _ in (each.place for each in receiver.taken) if who == "CP-1"] == ["CP-1", "CP-1"]
    assert len({each.place for each in receiver.taken}) == 3


async def test_tls_is_checked() -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    for ca, is_trusted in ((authority, True), (other, False)):
        with ca.cert_pem.tempfile() as roots:
            async with (
                open_receiver(tls=context) as receiver,
                open_site(webhooks=HASTY | {"ca_file": roots}) as csms,
            ):
                webhook, _ = await webhooks_of(csms).add(receiver.url, ["*"], ["*"])
                attempt = await webhooks_of(csms).test(webhook.id)
        assert attempt.is_delivered is is_trusted
        assert is_trusted or "CERTIFICATE_VERIFY_FAILED" in attempt.error


async def test_removing_forgets_everything_and_numbers_are_never_used_again() -> None:
    async def refuse(_: Received) -> bytes:
        await trio.lowlevel.checkpoint()
        return answer(400)

    async with open_receiver(refuse) as receiver, open_site() as csms:
        webhooks = webhooks_of(csms)
        first, _ = await webhooks.add(receiver.url, ["*"], ["*"])
        await happen(csms, "CP-1")
        await until(lambda: next(each.set_aside for each in csms.host.plugins.status() if each.name == "events") == 1)
        await webhooks.remove(first.id)
        assert await csms.host.facts.set_aside("events") == []
        with pytest.raises(UnknownWebhook, match="there is no webhook"):
            await webhooks.test(first.id)
        second, _ = await webhooks.add(receiver.url, ["*"], ["*"])
    assert second.id > first.id


async def test_without_webhooks_no_fact_is_brought_to_the_plugin() -> None:
    async with open_site() as csms:
        await happen(csms, "CP-1")
        await trio.sleep(0.1)
        (status,) = [each for each in csms.host.plugins.status() if each.name == "events"]
        assert (status.calls, status.backlog) == (0, 0)
        house = csms.host
        assert not getattr(house, "fact_desk")._couriers.get("events")  # noqa: B009
        assert Metric("plugin_facts_set_aside", "Facts the plugin could not take", 0, (("plugin", "events"),)) in (
            house.metrics()
        )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/", "does not begin with https"),
        ("https:///x", "names no host"),
        ("https://user:secret@example.com/", "no user or password"),
        ("https://example.com/#part", "no fragment"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com:99999/", "is no URL"),
        ("https://10.1.2.3/", "is not the Internet"),
        ("http://93.184.216.34/", "without TLS only"),
        ("https://2130706433/", None),  # 127.0.0.1, which these tests allow
        ("https://169.254.169.254/latest/meta-data", "is not the Internet"),
        ("https://[::ffff:10.0.0.1]/", "is not the Internet"),
        ("https://no-such-host.invalid/", "has no address"),
    ],
)
async def test_urls_that_cannot_be_are_refused_early(url: str, why: str | None) -> None:
    async with open_site() as csms:
        if why is None:
            await webhooks_of(csms).add(url, ["*"], ["*"])
            return
        with pytest.raises(InvalidWebhook, match=why):
            await webhooks_of(csms).add(url, ["*"], ["*"])
        assert webhooks_of(csms).status() == []

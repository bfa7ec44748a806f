"""Id tags and their judgement: the same for Authorize, StartTransaction and StopTransaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from csmsd.errors import CallFailed, CallTimeout
from csmsd.hookspecs import hookimpl
from csmsd.ocpp.errors import InternalError
from csmsd_core import (
    REMOTE_START_TRANSACTION,
    Authorize,
    CoreConfig,
    IdTagInfo,
    InvalidTag,
    RemoteStartTransaction,
    RemoteStartTransactionResponse,
    StartTransaction,
    StopTransaction,
    Tag,
    UnknownTag,
    hookspecs,
)
from csmsd_core.authorization import Authorization
from csmsd_core.folding import folded

on_both = pytest.mark.parametrize("core_url", ["sqlite", "postgres"], indirect=True)
ACCEPTED, REJECTED = RemoteStartTransactionResponse("Accepted"), RemoteStartTransactionResponse("Rejected")


async def authorize(station: Any, id_tag: str) -> IdTagInfo:
    info: IdTagInfo = (await station.send(hookspecs.authorize, Authorize(id_tag))).id_tag_info
    return info


async def start(station: Any, id_tag: str, *, meter: int = 0, connector_id: int = 1) -> Any:
    return await station.send(
        hookspecs.start_transaction, StartTransaction(connector_id, id_tag, meter, station.house.env.now())
    )


async def stop(station: Any, transaction_id: int, id_tag: str | None) -> Any:
    return await station.send(
        hookspecs.stop_transaction, StopTransaction(transaction_id, 10, station.house.env.now(), id_tag)
    )


# -- decisions --------------------------------------------------------------------------------------------------------


@pytest.mark.req("AUTH-01", "TC_023_1", "TC_023_2", "TC_023_3", "TC_003", "MSG-01")
async def test_unknown_blocked_expired_and_accepted_in_this_order(house: Any) -> None:
    station, past = await house.connect(), house.env.now() - timedelta(days=1)
    await house.core.tags.put(Tag("GOOD"), actor="op")
    await house.core.tags.put(Tag("BLOCKED", "Blocked", expires_at=past), actor="op")
    await house.core.tags.put(Tag("OLD", expires_at=past), actor="op")
    statuses = [(await authorize(station, tag)).status for tag in ("NOBODY", "BLOCKED", "OLD", "GOOD")]
    assert statuses == ["Invalid", "Blocked", "Expired", "Accepted"]


@pytest.mark.req("AUTH-01")
async def test_a_tag_expires_at_its_date_and_not_before(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("T", expires_at=house.env.now() + timedelta(seconds=10)), actor="op")
    await trio.sleep(9)
    assert (await authorize(station, "T")).status == "Accepted"
    await trio.sleep(1)
    assert (await authorize(station, "T")).status == "Expired"


@pytest.mark.req("AUTH-02", "TX-08")
async def test_concurrent_tx_is_for_starting_only(house: Any) -> None:
    first, second = await house.connect(), await house.connect("CP-2")
    await house.core.tags.put(Tag("ONE", max_active_transactions=1), actor="op")
    running = await start(first, "ONE")
    assert (await start(second, "ONE")).id_tag_info.status == "ConcurrentTx"
    assert (await authorize(second, "ONE")).status == "Accepted"
    assert (await stop(first, running.transaction_id, "ONE")).id_tag_info.status == "Accepted"


class Authoriser:
    """An external authoriser, quick or not."""

    def __init__(self, answer: Callable[[str], Any], delay: float = 0.0) -> None:
        self.answer, self.delay = answer, delay
        self.asked: list[tuple[str, str]] = []

    @hookimpl
    async def authorize_id_tag(self, id_tag: str, purpose: str) -> Any:
        self.asked.append((id_tag, purpose))
        await trio.sleep(self.delay)
        return self.answer(id_tag)


@pytest.mark.req("AUTH-02")
async def test_an_authorisers_concurrent_tx_does_not_reach_an_authorize(house: Any) -> None:
    authoriser = Authoriser(lambda _: IdTagInfo("ConcurrentTx"))
    house.enable(authoriser, "external")
    station = await house.connect()
    assert (await authorize(station, "T")).status == "Accepted"
    assert (await start(station, "T")).id_tag_info.status == "ConcurrentTx"
    assert authoriser.asked == [("T", "authorize"), ("T", "start")]


@pytest.mark.req("AUTH-03", "VAL-07")
async def test_tags_compare_without_regard_to_case_and_keep_their_spelling(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("aBcD-ef_90 app"), actor="op")
    assert (await authorize(station, "ABCD-EF_90 APP")).status == "Accepted"
    assert house.core.tags.get("abcd-EF_90 app").id_tag == "aBcD-ef_90 app"
    await house.core.tags.put(Tag("ABCD-EF_90 APP", "Blocked"), actor="op")
    assert len(house.core.tags) == 1


@pytest.mark.req("AUTH-03")
async def test_a_tag_has_twenty_characters_at_most(house: Any) -> None:
    await house.core.tags.put(Tag("x" * 20), actor="op")
    with pytest.raises(InvalidTag, match="21 characters"):
        house.core.tags.put(Tag("x" * 21), actor="op")


@pytest.mark.req("AUTH-04", "AUTH-06", "AUTH-07", "TC_053")
async def test_parent_and_expiry_are_the_same_in_all_three_answers_and_omitted_without(house: Any) -> None:
    station, expiry = await house.connect(), house.env.now() + timedelta(days=30)
    await house.core.tags.put(Tag("T", parent_id_tag="Group", expires_at=expiry), actor="op")
    await house.core.tags.put(Tag("LONELY"), actor="op")
    running = await start(station, "T")
    stopped = await stop(station, running.transaction_id, "T")
    infos = [await authorize(station, "T"), running.id_tag_info, stopped.id_tag_info]
    assert infos == [IdTagInfo("Accepted", expiry, "Group")] * 3
    assert await authorize(station, "LONELY") == IdTagInfo("Accepted")


@pytest.mark.req("AUTH-05")
async def test_a_parent_is_no_token_unless_it_is_one_in_its_own_right(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("T", parent_id_tag="GROUP"), actor="op")
    assert (await authorize(station, "GROUP")).status == "Invalid"
    await house.core.tags.put(Tag("GROUP"), actor="op")
    assert (await authorize(station, "GROUP")).status == "Accepted"


@pytest.mark.req("AUTH-07", "TX-21")
@pytest.mark.parametrize(("tag", "status"), [(Tag("T", "Blocked"), "Blocked"), (None, "Invalid")])
async def test_a_stop_tells_the_tags_own_status(house: Any, tag: Tag | None, status: str) -> None:
    station = await house.connect()
    if tag is not None:
        await house.core.tags.put(tag, actor="op")
    running = await start(station, "T")
    assert running.id_tag_info.status == status
    assert (await stop(station, running.transaction_id, "T")).id_tag_info.status == status
    assert (await stop(station, running.transaction_id, None)).id_tag_info is None


@pytest.mark.req("AUTH-08", "TC_007", "TC_037_1")
async def test_a_transaction_starts_without_an_authorize_before(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("T"), actor="op")
    assert (await start(station, "T")).id_tag_info.status == "Accepted"


@pytest.mark.req("AUTH-11")
async def test_an_empty_tag_is_invalid_and_nobody_is_asked(house: Any) -> None:
    authoriser = Authoriser(lambda _: IdTagInfo("Accepted"))
    house.enable(authoriser, "external")
    station = await house.connect()
    assert (await authorize(station, "")).status == "Invalid"
    assert authoriser.asked == []
    with pytest.raises(InvalidTag):
        house.core.tags.put(Tag(""), actor="op")


tags = st.builds(
    Tag,
    id_tag=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20),
    status=st.sampled_from(["Accepted", "Blocked"]),
    parent_id_tag=st.sampled_from(["", "GROUP"]),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
moments = st.datetimes(timezones=st.just(UTC))


class Snapshot:
    """The tags of a property: one, or none."""

    def __init__(self, tag: Tag | None) -> None:
        self._tag = tag

    def find(self, id_tag: str) -> Tag | None:
        return self._tag if self._tag is not None and folded(self._tag.id_tag) == folded(id_tag) else None

    def permits(self, *_: object) -> bool:
        return False


@pytest.mark.req("AUTH-01", "AUTH-03", "AUTH-04", "AUTH-06")
@given(tag=st.none() | tags, now=moments, swap=st.booleans())
def test_every_tag_at_every_moment_has_exactly_the_status_of_the_decision_order(
    tag: Tag | None, now: datetime, swap: bool
) -> None:
    class FixedHost:
        class Env:
            @staticmethod
            def now() -> datetime:
                return now

        env = Env

    snapshot: Any = Snapshot(tag)
    host: Any = FixedHost
    authorization = Authorization(host, CoreConfig(), snapshot, snapshot)
    id_tag = "T" if tag is None else tag.id_tag.swapcase() if swap else tag.id_tag
    info = authorization.own_verdict("CP-1", id_tag)
    if tag is None:
        assert info == IdTagInfo("Invalid")
        return
    expected = "Blocked" if tag.status == "Blocked" else "Accepted"
    if expected == "Accepted" and tag.expires_at is not None and tag.expires_at <= now:
        expected = "Expired"
    assert info == IdTagInfo(expected, tag.expires_at, tag.parent_id_tag or None)  # type: ignore[arg-type] # a str by construction


# -- an external authoriser -------------------------------------------------------------------------------------------


@pytest.mark.req("AUTH-09", "RPC-31")
@pytest.mark.parametrize("kind", ["slow", "down"])
async def test_an_authorize_that_nobody_could_judge_is_an_internal_error_and_never_invalid(
    house: Any, kind: str
) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("out of order")

    house.enable(Authoriser(fail if kind == "down" else lambda _: IdTagInfo("Accepted"), delay=9), "external")
    station = await house.connect()
    await house.core.tags.put(Tag("T"), actor="op")
    with pytest.raises(InternalError):
        await house.core.authorization.judge(station.station, "T", "authorize")


@pytest.mark.req("AUTH-09")
async def test_a_fixed_status_may_be_configured_instead(open_house: Any) -> None:
    house = await open_house(authorizer_failure="Blocked")
    house.enable(Authoriser(lambda _: IdTagInfo("Accepted"), delay=9), "external")
    station = await house.connect()
    assert (await authorize(station, "T")).status == "Blocked"


@pytest.mark.req("AUTH-13")
async def test_a_slow_authoriser_delays_an_answer_by_its_time_limit_at_most(open_house: Any) -> None:
    house = await open_house(authorizer_failure="Accepted")
    house.enable(Authoriser(lambda _: None, delay=1e6), "external", timeout=2.0)
    station = await house.connect()
    begun = trio.current_time()
    await authorize(station, "T")
    assert trio.current_time() - begun <= 3


@pytest.mark.req("AUTH-14", "RPC-31")
async def test_a_start_that_nobody_could_judge_is_stored_and_accepted_for_an_hour(house: Any) -> None:
    house.enable(Authoriser(lambda _: IdTagInfo("Accepted"), delay=9), "external")
    station = await house.connect()
    answer = await start(station, "T")
    assert answer.id_tag_info.status == "Accepted"
    assert timedelta(minutes=59) < answer.id_tag_info.expiry_date - house.env.now() <= timedelta(hours=1)
    transaction = await house.core.transactions.find(answer.transaction_id)
    assert (transaction.is_verified, transaction.flags) == (False, ("AUTH-14 not verified",))
    assert (await stop(station, answer.transaction_id, "T")).id_tag_info.status == "Accepted"


@pytest.mark.req("AUTH-14")
@pytest.mark.parametrize("status", ["Blocked", "Accepted"])
async def test_a_start_that_nobody_could_judge_gets_the_last_known_verdict(house: Any, status: Any) -> None:
    authoriser = Authoriser(lambda _: IdTagInfo(status, None, "GROUP"))
    house.enable(authoriser, "external")
    station = await house.connect()
    assert (await authorize(station, "T")).status == status
    authoriser.delay = 9
    assert (await start(station, "t")).id_tag_info == IdTagInfo(status, None, "GROUP")


@pytest.mark.req("AUTH-14")
async def test_the_operators_own_tag_is_the_last_known_verdict_and_may_have_expired(house: Any) -> None:
    house.enable(Authoriser(lambda _: None, delay=9), "external")
    station, expiry = await house.connect(), house.env.now() + timedelta(seconds=1)
    await house.core.tags.put(Tag("T", expires_at=expiry), actor="op")
    assert (await start(station, "T")).id_tag_info == IdTagInfo("Expired", expiry)


@pytest.mark.req("AUTH-14")
async def test_the_switch_makes_an_unknown_tag_invalid_instead(open_house: Any) -> None:
    house = await open_house(start_unverified=False)
    house.enable(Authoriser(lambda _: None, delay=9), "external")
    assert (await start(await house.connect(), "T")).id_tag_info.status == "Invalid"


@pytest.mark.req("AUTH-01")
async def test_an_authoriser_that_leaves_a_tag_to_others_is_followed_by_the_operators_tags(house: Any) -> None:
    house.enable(Authoriser(lambda _: None), "external")
    station = await house.connect()
    await house.core.tags.put(Tag("T"), actor="op")
    assert [(await authorize(station, tag)).status for tag in ("T", "U")] == ["Accepted", "Invalid"]


# -- remote starts ----------------------------------------------------------------------------------------------------


async def remote_start(station: Any, id_tag: str, answer: Any = ACCEPTED, connector_id: int | None = None) -> Any:
    station.line.answers.append(answer)
    request = RemoteStartTransaction(id_tag, connector_id)
    return await station.station.call(REMOTE_START_TRANSACTION, request)


@on_both
@pytest.mark.req("AUTH-10", "TC_010", "TC_011_1")
async def test_the_tag_of_a_remote_start_is_good_for_that_station_and_a_while(house: Any) -> None:
    here, elsewhere = await house.connect(), await house.connect("CP-2")
    await remote_start(here, "GUEST")
    assert (await authorize(here, "guest")).status == "Accepted"
    assert (await authorize(here, "guest")).expiry_date is not None, "so that caches drop it"
    assert (await authorize(elsewhere, "GUEST")).status == "Invalid"
    await trio.sleep(301)
    assert (await authorize(here, "GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10")
async def test_a_temporary_tag_is_durable_before_the_station_knows_it(open_house: Any) -> None:
    house = await open_house()
    with pytest.raises(CallTimeout):
        await remote_start(await house.connect(), "GUEST", CallTimeout("no answer"))
    house = await open_house()
    assert (await authorize(await house.connect(), "GUEST")).status == "Accepted"


@pytest.mark.req("AUTH-10")
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_temporary_tag_lasts_until_its_transaction_has_ended(open_house: Any, is_restarted: bool) -> None:
    house = await open_house()
    station = await house.connect()
    await remote_start(station, "GUEST")
    running = await start(station, "GUEST")
    assert running.id_tag_info.status == "Accepted"
    if is_restarted:
        house = await open_house()
        station = await house.connect()
    await trio.sleep(7200)
    assert (await authorize(station, "GUEST")).status == "Accepted", "to stop it"
    assert (await stop(station, running.transaction_id, "GUEST")).id_tag_info.status == "Accepted"
    assert (await authorize(station, "GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10")
async def test_a_transaction_from_before_the_request_does_not_use_the_permission_up(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST")
    old = StartTransaction(1, "GUEST", 0, house.env.now() - timedelta(hours=2))
    await station.send(hookspecs.start_transaction, old)
    running = await start(station, "GUEST", meter=5)
    await trio.sleep(7200)
    assert (await stop(station, running.transaction_id, "GUEST")).id_tag_info.status == "Accepted"


@pytest.mark.req("AUTH-10")
@pytest.mark.parametrize(
    "answer", [REJECTED, CallFailed("CP-1", "RemoteStartTransaction", "InternalError", "")], ids=["rejected", "failed"]
)
async def test_a_refused_remote_start_permits_nothing(house: Any, answer: Any) -> None:
    station = await house.connect()
    if answer is REJECTED:
        await remote_start(station, "GUEST", answer)
    else:
        with pytest.raises(CallFailed):
            await remote_start(station, "GUEST", answer)
    assert (await authorize(station, "GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10")
async def test_a_remote_start_does_not_whitewash_a_blocked_or_expired_tag(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("BAD", "Blocked"), actor="op")
    await house.core.tags.put(Tag("OLD", expires_at=house.env.now()), actor="op")
    for tag, status in (("BAD", "Blocked"), ("OLD", "Expired")):
        await remote_start(station, tag)
        assert (await authorize(station, tag)).status == status


@pytest.mark.req("AUTH-10")
async def test_remote_starts_permit_nothing_if_the_operator_does_not_want_it(open_house: Any) -> None:
    house = await open_house(remote_start_grants=False)
    station = await house.connect()
    await remote_start(station, "GUEST")
    assert (await authorize(station, "GUEST")).status == "Invalid"


@pytest.mark.req("OP-10", "OP-11", "TC_011_2")
async def test_a_remote_start_without_a_start_is_reported(house: Any) -> None:
    station = await house.connect()
    with house.events.watch(frozenset({"remote_start.not_started"})) as events:
        await remote_start(station, "GUEST")
        (waiting,) = await house.core.remote_starts.of_station("CP-1")
        assert waiting.state(house.env.now()) == "accepted", "Accepted means only that it will try"
        await trio.sleep(301)
        assert events.receive_nowait().station_id == "CP-1"
    (given_up,) = await house.core.remote_starts.of_station("CP-1")
    assert given_up.state(house.env.now()) == "not started"


@pytest.mark.req("OP-10", "TX-10", "TC_010", "TC_026")
async def test_a_remote_start_succeeds_with_a_matching_start(house: Any) -> None:
    station = await house.connect()
    with house.events.watch(frozenset({"remote_start.not_started"})) as events:
        await remote_start(station, "GUEST", connector_id=1)
        running = await start(station, "GUEST")
        await trio.sleep(301)
        with pytest.raises(trio.WouldBlock):
            events.receive_nowait()
    (done,) = await house.core.remote_starts.of_station("CP-1")
    assert (done.state(house.env.now()), done.transaction_id) == ("started", running.transaction_id)


@pytest.mark.req("OP-10", "TC_026")
async def test_a_rejected_remote_start_is_shown_as_such(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST", REJECTED)
    (each,) = await house.core.remote_starts.of_station("CP-1")
    assert each.state(house.env.now()) == "rejected"


# -- management -------------------------------------------------------------------------------------------------------


@on_both
@pytest.mark.req("AUTH-12", "OPS-03", "TC_023_2", "TC_023_3")
async def test_changes_of_a_tag_are_effective_immediately_and_survive_a_restart(open_house: Any) -> None:
    house = await open_house()
    station = await house.connect()
    put, change = house.core.tags.put, house.core.tags.change
    created = await put(Tag("T", note="van"), actor="op")
    assert (await authorize(station, "T")).status == "Accepted"
    await trio.sleep(5)
    await change("t", actor="op", status="Blocked")
    assert (await authorize(station, "T")).status == "Blocked"
    await change("T", actor="op", status="Accepted", expires_at=house.env.now())
    assert (await authorize(station, "T")).status == "Expired"
    await change("T", actor="op", expires_at=None, parent_id_tag="G", max_active_transactions=2)
    house = await open_house()
    stored = house.core.tags.get("T")
    assert (stored.note, stored.parent_id_tag, stored.max_active_transactions) == ("van", "G", 2)
    assert stored.created_at == created.created_at < stored.changed_at
    await house.core.tags.delete("t", actor="op")
    assert (await authorize(await house.connect(), "T")).status == "Invalid"
    house = await open_house()
    assert house.core.tags.find("T") is None


@pytest.mark.req("AUTH-12")
async def test_a_change_counts_only_when_it_is_stored(house: Any) -> None:
    stored = house.core.tags.put(Tag("T"), actor="op")
    assert house.core.tags.find("T") is None
    await stored
    assert house.core.tags.find("T") is not None


@on_both
@pytest.mark.req("AUTH-12")
async def test_tags_are_listed_page_by_page(house: Any) -> None:
    for number in range(5):
        await house.core.tags.put(Tag(f"A_{number}"), actor="op")
    await house.core.tags.put(Tag("AX1"), actor="op")
    page = await house.core.tags.page(prefix="a_", limit=3)
    rest = await house.core.tags.page(prefix="a_", after=page[-1].id_tag, limit=3)
    assert [tag.id_tag for tag in (*page, *rest)] == ["A_0", "A_1", "A_2", "A_3", "A_4"]


@pytest.mark.req("AUTH-12")
async def test_who_changed_a_tag_is_audited(house: Any) -> None:
    await house.core.tags.put(Tag("T"), actor="alice")
    await house.core.tags.delete("T", actor="bob")
    entries = await house.audit.entries()
    assert [(each.actor, each.action, each.subject) for each in entries] == [
        ("bob", "tag.delete", "T"),
        ("alice", "tag.put", "T"),
    ]


@pytest.mark.req("AUTH-12")
@pytest.mark.parametrize(
    ("tag", "complaint"),
    [
        (Tag("a\nb"), "control"),
        (Tag("T", parent_id_tag="p" * 21), "parentIdTag"),
        (Tag("T", "Expired"), "expires_at"),  # type: ignore[arg-type] # what an operator may try
        (Tag("T", expires_at=datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001 -- the point of it
        (Tag("T", max_active_transactions=0), "1 at least"),
    ],
)
async def test_a_tag_that_could_not_be_sent_is_refused_with_the_reason(house: Any, tag: Tag, complaint: str) -> None:
    with pytest.raises(InvalidTag, match=complaint):
        house.core.tags.put(tag, actor="op")
    for attempt in (lambda: house.core.tags.get("T"), lambda: house.core.tags.delete("T", actor="op")):
        with pytest.raises(UnknownTag):
            attempt()

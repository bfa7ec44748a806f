"""The station book and the credential book over a real database."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import trio
from trio.testing import MockClock

from csmsd._kernel.stationrows import Digest, Secrets, Sighting, StationState, note_sightings
from csmsd._kernel.stationstates import StationStates
from csmsd._kernel.storage.database import open_store
from csmsd._kernel.storage.tables import credential, station
from csmsd.env import Env, utc_now
from csmsd.errors import InvalidStation, StationUnavailable, StoreError, UnknownStation
from csmsd.ocpp.decoding import Tolerance
from csmsd.pending import Pending
from csmsd.station import StationRecord

OpenWorld = Callable[..., Awaitable[Any]]
KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
OTHER_KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"


async def rows(world: Any, table: sa.Table) -> list[dict[str, Any]]:
    def query(connection: sa.Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    found: list[dict[str, Any]] = await world.store.read(query)
    return found


def annotation(note: str) -> Callable[[StationState], StationState]:
    return lambda old: StationState(msgspec.structs.replace(old.record, note=note), old.secrets)


def is_right(world: Any, password: str, station_id: str = "CP-1") -> bool:
    match = world.credentials.verify(station_id, password.encode())
    if isinstance(match, Pending):
        assert match.is_settled
        found: list[Any] = []
        match.when_settled(lambda value, _error: found.append(value))
        match = found[0]
    return bool(match.is_right)


# -- records -----------------------------------------------------------------------------------------


@pytest.mark.req("BOOT-10")
async def test_a_registered_station_is_accepted_until_somebody_decides_otherwise(
    world: Any, autojump_clock: MockClock
) -> None:
    record = await world.book.register(StationRecord("CP-1"))
    assert (record.registration, record.announced, record.in_force) == ("Accepted", None, "Accepted")
    assert not record.has_credentials
    assert record.created_at == world.env.now()


@pytest.mark.req("WS-31", "BOOT-10")
async def test_records_and_credentials_survive_a_restart(open_world: OpenWorld) -> None:
    world = await open_world()
    full = StationRecord(
        "RDAM 123/é",
        registration="Pending",
        security_profile=2,
        tolerance=Tolerance.STRICT,
        accept_long_message_ids=True,
        whole_seconds=True,
        call_timeout=12.5,
        heartbeat_interval=300,
        serial_number="S-1",
        note="roof",
    )
    before = await world.book.register(full, KEY)
    await world.book.announce(full.id, "Rejected")
    world = await open_world()
    after = world.book.record(full.id)
    assert after.announced == "Rejected"
    assert after == world.book.record(full.id)
    assert after.created_at == before.created_at
    assert (after.tolerance, after.call_timeout, after.has_credentials) == (Tolerance.STRICT, 12.5, True)
    assert is_right(world, KEY, full.id)


@pytest.mark.req("BOOT-11")
async def test_what_was_announced_stays_in_force_until_something_else_is_announced(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"))
    await world.book.announce("CP-1", "Accepted")
    await world.book.change("CP-1", registration="Rejected")
    assert world.book.record("CP-1").in_force == "Accepted"
    await world.book.register(StationRecord("CP-1", registration="Pending"))
    assert world.book.record("CP-1").in_force == "Accepted"
    record = await world.book.announce("CP-1", "Pending")
    assert (record.in_force, world.book.record("CP-1").in_force) == ("Pending", "Pending")


@pytest.mark.req("BOOT-11")
async def test_an_operators_value_counts_at_once_where_none_was_ever_announced(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"))
    await world.book.change("CP-1", registration="Rejected")
    assert world.book.record("CP-1").in_force == "Rejected"


@pytest.mark.req("BOOT-11")
async def test_an_announcement_counts_when_it_is_committed_and_not_before(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"))
    pending = world.book.announce("CP-1", "Pending")
    assert world.book.record("CP-1").announced is None
    await pending
    assert world.book.record("CP-1").announced == "Pending"


async def test_announcing_the_same_again_costs_no_write_but_is_never_lost(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"))
    await world.book.announce("CP-1", "Accepted")
    assert world.book.announce("CP-1", "Accepted").is_settled
    rejected, accepted = world.book.announce("CP-1", "Rejected"), world.book.announce("CP-1", "Accepted")
    assert not accepted.is_settled  # what is at hand is about to be outdated
    assert (await rejected).announced == "Rejected"
    assert (await accepted).announced == "Accepted"
    assert [row["announced"] for row in await rows(world, station)] == ["Accepted"]


async def test_changes_of_one_station_in_one_batch_are_not_lost_to_each_other(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: world.book.change("CP-1", note="roof"))
        nursery.start_soon(lambda: world.book.change("CP-1", serial_number="S-1"))
        world.book.announce("CP-1", "Pending")
    record = world.book.record("CP-1")
    assert (record.note, record.serial_number, record.announced) == ("roof", "S-1", "Pending")
    [row] = await rows(world, station)
    assert (row["note"], row["serial_number"], row["announced"]) == ("roof", "S-1", "Pending")


@pytest.mark.req("WS-06")
@pytest.mark.parametrize("identity", ["", "x" * 256, "CP\n1", "CP\x001", ".."])
async def test_what_cannot_be_an_identity_is_not_registered(world: Any, identity: str) -> None:
    with pytest.raises(InvalidStation):
        await world.book.register(StationRecord(identity))


@pytest.mark.req("WS-06")
async def test_identities_are_case_sensitive_and_may_be_long(world: Any) -> None:
    for identity in ("cp-1", "CP-1", "x" * 255):
        await world.book.register(StationRecord(identity))
    assert [record.id for record in world.book.records()] == ["CP-1", "cp-1", "x" * 255]


@pytest.mark.parametrize(
    "fields",
    [
        {"registration": "Maybe"},
        {"security_profile": 4},
        {"call_timeout": 0},
        {"heartbeat_interval": -1},
        {"announced": "Accepted"},
        {"id": "CP-2"},
        {"colour": "red"},
    ],
)
async def test_a_nonsensical_change_is_refused_with_its_reason(world: Any, fields: dict[str, Any]) -> None:
    before = await world.book.register(StationRecord("CP-1"))
    with pytest.raises(InvalidStation, match=next(iter(fields)).replace("_", "[_ ]")):
        await world.book.change("CP-1", **fields)
    assert world.book.record("CP-1") == before


async def test_an_unknown_station_is_an_error_everywhere(world: Any) -> None:
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: world.book.change("CP-9", note="x"),
        lambda: world.book.remove("CP-9"),
        lambda: world.book.announce("CP-9", "Accepted"),
        lambda: world.credentials.put("CP-9", KEY),
        lambda: world.credentials.stage("CP-9", KEY),
        lambda: world.credentials.settle("CP-9", keep_new=True),
        lambda: world.credentials.withdraw("CP-9"),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownStation):
            await attempt()
    with pytest.raises(UnknownStation):
        world.book.get("CP-9")
    assert world.book.find("CP-9") is None


@pytest.mark.req("BOOT-11")
async def test_a_removed_station_loses_record_credentials_and_connection(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    charger = await world.enter(authorization=b"Basic " + base64.b64encode(b"CP-1:" + KEY.encode()))
    await world.book.remove("CP-1")
    assert charger.link.closed_with[0] == 1008
    assert await rows(world, station) == await rows(world, credential) == []
    with pytest.raises(UnknownStation):
        world.book.record("CP-1")
    await world.book.register(StationRecord("CP-1"))
    assert not is_right(world, KEY)


async def test_what_could_not_be_stored_does_not_count(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.store.committer.aclose()
    with pytest.raises(StoreError):
        await world.book.change("CP-1", note="roof")
    with pytest.raises(StoreError):
        await world.credentials.put("CP-1", OTHER_KEY)
    assert world.book.record("CP-1").note == ""
    assert is_right(world, KEY)


async def test_both_databases_keep_everything(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        states, digests = StationStates(store), [Digest(f"digest {number}", utc_now()) for number in range(3)]
        full = StationRecord("CP-1", tolerance=Tolerance.STRICT, whole_seconds=True, created_at=utc_now(), note="é")
        await states.put("CP-1", lambda _: StationState(full, Secrets(digests[0], tuple(digests[1:]))))
        await states.put("CP-2", lambda _: StationState(StationRecord("CP-2", created_at=utc_now())))
        store.submit_later(note_sightings, Sighting("CP-1", utc_now()))
        noted = [states.change("CP-1", annotation(note)) for note in ("one", "two")]
        await states.put("CP-2", lambda _: None)
        assert [(await state).record.note for state in noted] == ["one", "two"]
        again = StationStates(store)
        await again.load()
        assert "CP-2" not in again
        seen = again.get("CP-1").record.last_seen_at
        assert seen is not None
        assert again.get("CP-1").secrets == states.get("CP-1").secrets == Secrets(digests[0], tuple(digests[1:]))
        assert again.get("CP-1").record == msgspec.structs.replace(states.get("CP-1").record, last_seen_at=seen)


# -- signs of life -----------------------------------------------------------------------------------


@pytest.mark.req("WS-35")
async def test_any_message_is_a_sign_of_life_written_down_once_a_minute(world: Any, autojump_clock: MockClock) -> None:
    await world.book.register(StationRecord("CP-1"))
    assert world.book.last_seen("CP-1") is None
    start = world.env.now()
    for _ in range(90):
        world.book.saw("CP-1", world.env.now())
        await trio.sleep(1)
    assert world.book.last_seen("CP-1") == start + timedelta(seconds=89)
    [row] = await rows(world, station)
    assert row["last_seen_at"] == start + timedelta(seconds=60)
    assert world.store.statistics.writes == 3  # the record, and two sightings


@pytest.mark.req("WS-35")
async def test_a_sign_of_life_outlives_a_restart_and_a_change(open_world: OpenWorld) -> None:
    world = await open_world()
    await world.book.register(StationRecord("CP-1"))
    seen = world.env.now()
    world.book.saw("CP-1", seen)
    await world.book.change("CP-1", note="roof")
    world = await open_world()
    assert world.book.last_seen("CP-1") == seen


# -- who is connected --------------------------------------------------------------------------------


async def test_a_station_that_is_not_connected_is_known_but_not_available(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"))
    with pytest.raises(StationUnavailable, match="CP-1"):
        world.book.get("CP-1")
    assert list(world.book.online()) == []


# -- secrets -----------------------------------------------------------------------------------------


@pytest.mark.req("SEC-30", "SEC-34")
async def test_a_generated_key_is_20_octets_in_hexadecimal_and_never_twice_the_same(world: Any) -> None:
    keys = {world.credentials.generate() for _ in range(100)}
    assert len(keys) == 100
    assert {len(bytes.fromhex(key)) for key in keys} == {20}


@pytest.mark.req("WS-24", "SEC-34")
@pytest.mark.parametrize(
    ("password", "scheme"), [(KEY, "blake2b$"), ("correct horse", "$argon2id$"), ("00" * 20, "$argon2id$")]
)
async def test_only_salted_digests_are_stored_and_slow_ones_for_what_people_choose(
    world: Any, password: str, scheme: str
) -> None:
    for identity in ("CP-1", "CP-2"):
        await world.book.register(StationRecord(identity), password)
    digests = [row["digest"] for row in await rows(world, credential)]
    assert len(set(digests)) == 2
    assert all(digest.startswith(scheme) for digest in digests)
    assert not any(password.lower() in digest.lower() for digest in digests)


@pytest.mark.req("SEC-31")
async def test_put_makes_one_secret_the_only_one(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.credentials.stage("CP-1", "staged")
    await world.credentials.put("CP-1", OTHER_KEY)
    assert [is_right(world, password) for password in (KEY, "staged", OTHER_KEY)] == [False, False, True]


@pytest.mark.req("SEC-33")
async def test_a_staged_secret_is_durable_and_valid_beside_the_present_one(open_world: OpenWorld) -> None:
    world = await open_world()
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.credentials.stage("CP-1", OTHER_KEY)
    world = await open_world()
    assert is_right(world, KEY)
    assert is_right(world, OTHER_KEY)


@pytest.mark.req("SEC-31", "SEC-32", "SEC-33")
@pytest.mark.parametrize("keep_new", [True, False])
async def test_settling_keeps_only_the_new_secret_or_only_the_old_one(world: Any, keep_new: bool) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.credentials.stage("CP-1", OTHER_KEY)
    pending = world.credentials.settle("CP-1", keep_new=keep_new)
    assert is_right(world, KEY), "valid until the change is committed"
    assert is_right(world, OTHER_KEY)
    await pending
    assert is_right(world, KEY) is not keep_new
    assert is_right(world, OTHER_KEY) is keep_new


@pytest.mark.req("SEC-33")
async def test_a_rotation_after_one_without_answer_locks_nobody_out(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), "old")
    await world.credentials.stage("CP-1", KEY)  # no answer: perhaps the station has it
    await world.credentials.stage("CP-1", OTHER_KEY)
    assert all(is_right(world, password) for password in ("old", KEY, OTHER_KEY))
    await world.credentials.settle("CP-1", keep_new=False)  # the second was rejected; about the first nothing is known
    assert [is_right(world, password) for password in ("old", KEY, OTHER_KEY)] == [True, True, False]
    await world.credentials.stage("CP-1", OTHER_KEY)
    await world.credentials.settle("CP-1", keep_new=True)
    assert [is_right(world, password) for password in ("old", KEY, OTHER_KEY)] == [False, False, True]


@pytest.mark.req("SEC-33")
async def test_staged_secrets_are_bounded_and_the_present_one_is_never_pushed_out(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    for number in range(8):
        await world.credentials.stage("CP-1", f"staged {number}")
    assert len(await rows(world, credential)) == 4
    assert is_right(world, KEY)
    assert is_right(world, "staged 7")
    assert not is_right(world, "staged 0")


@pytest.mark.req("BOOT-11")
async def test_withdrawn_credentials_are_nobodys(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.credentials.withdraw("CP-1")
    assert not is_right(world, KEY)
    assert not world.book.record("CP-1").has_credentials


async def test_an_empty_password_cannot_be_set(world: Any) -> None:
    with pytest.raises(InvalidStation):
        await world.book.register(StationRecord("CP-1"), "")


async def test_a_password_that_was_right_once_is_checked_fast_until_it_is_changed(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), "correct horse")
    assert isinstance(world.credentials.verify("CP-1", b"correct horse"), Pending)
    assert not isinstance(world.credentials.verify("CP-1", b"correct horse"), Pending)
    assert isinstance(world.credentials.verify("CP-1", b"wrong horse"), Pending)
    await world.credentials.put("CP-1", "battery staple")
    assert not is_right(world, "correct horse")

"""Who is let in with what: Basic credentials, certificates, trial mode and the uniform refusal."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from csmsd._kernel.authentication import read_basic
from csmsd._kernel.passwords import canonical_secret, is_fast, presentations
from csmsd.config import Access, Limits
from csmsd.pending import Pending
from csmsd.station import StationRecord

OpenWorld = Callable[..., Awaitable[Any]]
KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
OCTETS = bytes.fromhex(KEY)
OTHER_KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"


def basic(user: str | bytes, password: str | bytes) -> bytes:
    parts = [part.encode() if isinstance(part, str) else part for part in (user, password)]
    return b"Basic " + base64.b64encode(b":".join(parts))


def certificate(common_name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2025, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2035, 1, 1, tzinfo=UTC)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


# -- the header --------------------------------------------------------------------------------------


@pytest.mark.req("WS-22")
def test_the_example_of_the_specification_is_read() -> None:
    assert read_basic(b"Basic QUwxMDAwOgABAgMEBQYH////////////////", "AL1000").password == OCTETS


@pytest.mark.req("WS-20", "WS-22")
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), st.binary())
def test_any_octets_are_a_password_whatever_the_identity_holds(identity: str, password: bytes) -> None:
    assert read_basic(basic(identity, password), identity).password == password


@pytest.mark.req("WS-20", "WS-21")
@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (None, "no credentials"),
        (b"", "another kind"),
        (b"Basic", "user name"),
        (b"Basic !!!", "not base64"),
        (b"Bearer abc", "another kind"),
        (b"Digest username=CP-1", "another kind"),
        (basic("CP-2", KEY), "user name"),
        (basic("cp-1", KEY), "user name"),
        (basic("CP-1 ", KEY), "user name"),
        (basic("", KEY), "user name"),
        (b"Basic " + base64.b64encode(b"CP-1"), "user name"),
        (basic("CP%2D1", KEY), "user name"),
    ],
)
def test_what_is_wrong_with_a_header_is_said_without_its_content(header: bytes | None, complaint: str) -> None:
    claim = read_basic(header, "CP-1")
    assert claim.password is None
    assert complaint in claim.complaint


@given(st.binary())
def test_no_header_is_an_error(header: bytes) -> None:
    read_basic(header, "CP-1")


@pytest.mark.req("WS-21")
@pytest.mark.parametrize("scheme", [b"basic", b"BASIC", b"Basic"])
def test_the_scheme_is_not_case_sensitive_and_padding_may_be_missing(scheme: bytes) -> None:
    token = base64.b64encode(b"CP-1:secret").rstrip(b"=")
    assert read_basic(scheme + b"  " + token, "CP-1").password == b"secret"


# -- the secret --------------------------------------------------------------------------------------


@pytest.mark.req("WS-23", "SEC-30")
@pytest.mark.parametrize(
    ("provisioned", "presented"),
    [
        (KEY, OCTETS),
        (KEY, KEY.encode()),
        (KEY, KEY.lower().encode()),
        (KEY.lower(), KEY.encode()),
        (KEY[:32], OCTETS[:16]),
        ("correct horse", b"correct horse"),
        ("x", b"x"),
        ("geheim!ä", "geheim!ä".encode()),
        ("0123456789abcdef", b"0123456789abcdef"),  # 16 digits are text
        ("0123456789abcdef", b"30313233343536373839616263646566"),
        (KEY[:-1], KEY[:-1].encode()),  # 39 digits are text
        ("a" * 500, b"a" * 500),
    ],
)
async def test_a_secret_matches_in_every_form_implementations_send(
    world: Any, provisioned: str, presented: bytes
) -> None:
    await world.book.register(StationRecord("CP-1"), provisioned)
    assert (await world.knock(authorization=basic("CP-1", presented))).status == 101


@pytest.mark.req("WS-21", "WS-23")
@pytest.mark.parametrize(
    ("provisioned", "presented"),
    [
        (KEY, b""),
        (KEY, OCTETS[:-1]),
        (KEY, OCTETS + b"\0"),
        (KEY, KEY[:-2].encode()),
        (KEY, OTHER_KEY.encode()),
        ("correct horse", b"correct horse "),
        ("correct horse", b"Correct horse"),
        ("correct horse", b""),
        ("x", b"\0"),
        (KEY[:-1], KEY.encode()),
    ],
)
async def test_nothing_else_matches(world: Any, provisioned: str, presented: bytes) -> None:
    await world.book.register(StationRecord("CP-1"), provisioned)
    admission = await world.knock(authorization=basic("CP-1", presented))
    assert (admission.status, admission.realm) == (401, "csmsd")
    assert world.last_attempt == ("credentials", "the password is wrong")


@pytest.mark.req("WS-23")
@given(st.binary(min_size=1, max_size=24))
def test_octets_match_themselves_and_their_hexadecimal_digits(octets: bytes) -> None:
    assert octets in presentations(octets)
    if 16 <= len(octets) <= 20:
        assert octets in presentations(octets.hex().encode())
        assert octets in presentations(octets.hex().upper().encode())
        assert canonical_secret(octets.hex()).octets == octets


@pytest.mark.req("WS-24")
def test_a_key_that_somebody_may_guess_is_not_taken_for_a_random_one() -> None:
    assert canonical_secret(KEY).is_random
    assert not canonical_secret("00" * 20).is_random
    assert not canonical_secret(b"hunter2 hunter22".hex()).is_random
    assert not canonical_secret("correct horse").is_random


# -- who may come ------------------------------------------------------------------------------------


@pytest.mark.req("WS-07", "WS-14", "WS-21")
async def test_every_failure_of_identity_credentials_or_profile_looks_the_same(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.book.register(StationRecord("CP-2"))
    await world.book.register(StationRecord("CP-3", security_profile=2), KEY)
    refusals = [
        await world.knock("/ocpp/CP-9"),
        await world.knock("/ocpp/CP-9", basic("CP-9", KEY)),
        await world.knock("/ocpp/CP-1"),
        await world.knock("/ocpp/CP-1", b"Bearer x"),
        await world.knock("/ocpp/CP-1", basic("CP-1", OTHER_KEY)),
        await world.knock("/ocpp/CP-1", basic("CP-2", KEY)),
        await world.knock("/ocpp/CP-2", basic("CP-2", KEY)),
        await world.knock("/ocpp/CP-3", basic("CP-3", KEY)),
    ]
    assert len(set(refusals)) == 1
    assert refusals[0].status == 401
    assert [attempt.stage for attempt in world.attempts] == ["identity"] * 2 + ["credentials"] * 5 + ["profile"]
    assert world.attempts[-2].cause == "no password is set for this station"


@pytest.mark.req("WS-07")
async def test_an_unknown_identity_costs_what_a_known_one_costs(world: Any) -> None:
    """As many unknown ones are checked slowly as known ones, and always the same ones."""
    await world.book.register(StationRecord("CP-1"), KEY)
    unknown = [f"CP-{number}" for number in range(10, 210)]

    def slow_ones() -> list[str]:
        decoys = {identity: world.credentials._decoys.digest_for(identity) for identity in unknown}
        return [identity for identity, digest in decoys.items() if not is_fast(digest)]

    assert slow_ones() == []
    assert not isinstance(world.credentials.verify("CP-10", b"guess"), Pending)
    await world.book.register(StationRecord("CP-2"), "correct horse")
    half = slow_ones()
    assert 60 < len(half) < 140
    assert half == slow_ones()
    assert isinstance(world.credentials.verify(half[0], b"guess"), Pending)
    await world.book.remove("CP-1")
    assert slow_ones() == unknown


@pytest.mark.req("WS-07")
@pytest.mark.parametrize(
    ("access", "status"),
    [
        (Access(), 401),
        (Access(authentication="optional"), 401),
        (Access(authentication="none"), 404),
        (Access(unknown_identity="404"), 404),
    ],
)
async def test_an_unknown_identity_is_told_so_only_where_that_is_no_secret(
    open_world: OpenWorld, access: Access, status: int
) -> None:
    world = await open_world(access)
    assert (await world.knock()).status == status
    assert world.last_attempt == ("identity", "no station of this identity is registered")


@pytest.mark.req("SEC-01", "SEC-02")
@pytest.mark.parametrize(
    ("authentication", "secret", "presented", "profile"),
    [
        ("required", KEY, KEY, 1),
        ("required", KEY, None, None),
        ("required", None, None, None),
        ("optional", KEY, KEY, 1),
        ("optional", KEY, OTHER_KEY, None),
        ("optional", KEY, None, None),
        ("optional", None, None, 0),
        ("optional", None, OTHER_KEY, 0),
        ("none", KEY, KEY, 1),
        ("none", KEY, None, 0),
        ("none", KEY, OTHER_KEY, 0),
        ("none", None, None, 0),
    ],
)
async def test_without_credentials_the_profile_is_0_and_only_where_that_is_permitted(
    open_world: OpenWorld, authentication: Any, secret: str | None, presented: str | None, profile: int | None
) -> None:
    world = await open_world(Access(authentication=authentication))
    await world.book.register(StationRecord("CP-1"), secret)
    admission = await world.knock(authorization=basic("CP-1", presented) if presented else None)
    assert (admission.status, admission.security_profile) == ((401, 0) if profile is None else (101, profile))


@pytest.mark.req("SEC-01", "SEC-02", "SEC-12", "WS-26", "WS-41")
@pytest.mark.parametrize("named", [None, 0, 1, 2, 3])
@pytest.mark.parametrize(
    ("is_tls", "password", "common_name", "effective"),
    [
        (False, KEY, None, {1}),
        (True, KEY, None, {2}),
        (True, None, "CP-1", {3}),
        (True, None, "SERIAL-1", {3}),
        (True, OTHER_KEY, "SERIAL-1", {3}),  # a superfluous header is ignored
        (True, KEY, "SERIAL-1", {2, 3}),
        (True, KEY, "CP-2", {2}),  # somebody else's certificate is none
        (True, None, "CP-2", set()),
        (True, OTHER_KEY, "CP-2", set()),
        (True, None, "", set()),
    ],
)
async def test_the_effective_profile_is_the_one_of_the_record(
    world: Any, named: int | None, is_tls: bool, password: str | None, common_name: str | None, effective: set[int]
) -> None:
    serial_number = "SERIAL-1" if common_name else ""
    await world.book.register(StationRecord("CP-1", security_profile=named, serial_number=serial_number), KEY)
    der = None if common_name is None else certificate(common_name or "x")
    admission = await world.knock(
        authorization=basic("CP-1", password) if password else None, is_tls=is_tls, certificate=der
    )
    if named is None and effective:
        assert (admission.status, admission.security_profile) == (101, max(effective))
    elif named in effective:
        assert (admission.status, admission.security_profile) == (101, named)
    else:
        assert admission.status == 401


# -- rotation ----------------------------------------------------------------------------------------


@pytest.mark.req("SEC-33")
async def test_using_the_new_secret_retires_the_old_one(world: Any, security_log: pytest.LogCaptureFixture) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.credentials.stage("CP-1", OTHER_KEY)
    await world.enter(authorization=basic("CP-1", OTHER_KEY))
    await world.store.read(lambda _: None)
    assert (await world.knock(authorization=basic("CP-1", KEY))).status == 401
    assert (await world.knock(authorization=basic("CP-1", OTHER_KEY))).status == 101
    assert "new key" in security_log.text


@pytest.mark.req("SEC-33")
async def test_using_the_old_secret_does_not_retire_the_new_one(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), KEY)
    await world.credentials.stage("CP-1", OTHER_KEY)
    for password in (KEY, KEY, OTHER_KEY):
        assert (await world.knock(authorization=basic("CP-1", password))).status == 101


@pytest.mark.req("SEC-33")
async def test_using_a_staged_secret_keeps_those_staged_after_it(world: Any) -> None:
    await world.book.register(StationRecord("CP-1"), "old")
    await world.credentials.stage("CP-1", KEY)
    await world.credentials.stage("CP-1", OTHER_KEY)
    for password, status in ((KEY, 101), ("old", 401), (OTHER_KEY, 101), (KEY, 401)):
        assert (await world.knock(authorization=basic("CP-1", password))).status == status
        await world.store.read(lambda _: None)


@pytest.mark.req("SEC-33", "SEC-02")
async def test_a_secret_shown_with_a_profile_that_is_refused_has_not_been_used(world: Any) -> None:
    await world.book.register(StationRecord("CP-1", security_profile=2), KEY)
    await world.credentials.stage("CP-1", OTHER_KEY)
    assert (await world.knock(authorization=basic("CP-1", OTHER_KEY))).status == 401
    await world.store.read(lambda _: None)
    assert (await world.knock(authorization=basic("CP-1", KEY), is_tls=True)).status == 101


# -- trial mode --------------------------------------------------------------------------------------

TRIAL = Access(unknown_stations="register")


@pytest.mark.req("WS-07")
async def test_trial_mode_registers_a_stranger_loudly_and_keeps_the_password_it_shows(
    open_world: OpenWorld, security_log: pytest.LogCaptureFixture
) -> None:
    world = await open_world(TRIAL)
    await world.enter(authorization=basic("CP-1", OCTETS))
    assert world.book.record("CP-1").has_credentials
    assert "TRIAL MODE" in security_log.text
    assert KEY.lower() not in security_log.text.lower()
    assert (await world.knock(authorization=basic("CP-1", OTHER_KEY))).status == 401
    world = await open_world()
    assert (await world.knock(authorization=basic("CP-1", KEY))).status == 101


@pytest.mark.req("WS-07")
async def test_trial_mode_wants_a_password_where_passwords_are_required(open_world: OpenWorld) -> None:
    world = await open_world(TRIAL)
    for authorization in (None, basic("CP-1", ""), basic("CP-2", KEY)):
        assert (await world.knock(authorization=authorization)).status == 401
    assert len(world.book) == 0
    world = await open_world(Access(unknown_stations="register", authentication="none"))
    await world.enter()
    assert not world.book.record("CP-1").has_credentials


@pytest.mark.req("WS-07")
async def test_trial_mode_is_bounded(open_world: OpenWorld) -> None:
    world = await open_world(Access(unknown_stations="register", authentication="none"), Limits(connections=2))
    await world.knock("/ocpp/CP-1")
    await world.knock("/ocpp/CP-2")
    assert (await world.knock("/ocpp/CP-3")).status == 503
    assert len(world.book) == 2

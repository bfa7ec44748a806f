"""The tolerant decoder, on message types of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from csmsd.ocpp.decoding import PayloadDecoder, Tolerance
from csmsd.ocpp.errors import (
    FormationViolation,
    OccurenceConstraintViolation,
    OcppError,
    PropertyConstraintViolation,
    ProtocolError,
    TypeConstraintViolation,
)
from csmsd.ocpp.types import (
    MAY_BE_EMPTY,
    MULTILINE,
    SECRET,
    CiString20,
    Integer,
    OneDecimal,
    Payload,
    Timestamp,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Certificates(Payload, frozen=True):
    """An array that some stations send empty."""

    hashes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=2), MAY_BE_EMPTY] = ()


class Everything(Payload, frozen=True):
    """One of each kind."""

    text: CiString20
    number: Integer
    at: Timestamp
    is_so: bool = False
    limit: OneDecimal | None = None
    pem: Annotated[str, MULTILINE] | None = None
    code: Annotated[str, Meta(pattern="^[a-f]+$")] | None = None


class Plain(Payload, frozen=True):
    """Without decimals, so that the fast path comes first."""

    text: CiString20
    number: Integer
    at: Timestamp
    is_so: bool = False


class Vault(Payload, frozen=True):
    """Something that must not be quoted."""

    password: Annotated[CiString20, SECRET]
    hint: CiString20 | None = None


class Vaults(Payload, frozen=True):
    """... nor from further out."""

    vault: Vault
    label: CiString20 | None = None


EVERYTHING = PayloadDecoder(Everything)
FORGIVING = PayloadDecoder(Everything, is_transactional=True)
PLAIN = PayloadDecoder(Plain)
PLAIN_FORGIVING = PayloadDecoder(Plain, is_transactional=True)
VALID: dict[str, Any] = {"text": "a", "number": 1, "at": "2025-01-31T12:00:00Z"}


def decode(
    decoder: PayloadDecoder[Any], payload: object, tolerance: Tolerance = Tolerance.STRICT
) -> tuple[Any, dict[str, str]]:
    """The message and its deviations as path -> rule."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    message, deviations = decoder.decode(raw, tolerance, NOW)
    return message, {found.path: found.rule for found in deviations}


def error(decoder: PayloadDecoder[Any], payload: object, tolerance: Tolerance = Tolerance.STRICT) -> OcppError:
    with pytest.raises(OcppError) as caught:
        decode(decoder, payload, tolerance)
    return caught.value


@pytest.mark.req("RPC-34", "VAL-01")
@pytest.mark.parametrize("payload", [[], "text", 5, True, None, [{}]])
def test_a_payload_that_is_no_object_is_badly_formed(payload: object) -> None:
    for tolerance in Tolerance:
        assert type(error(FORGIVING, payload, tolerance)) is FormationViolation


@pytest.mark.req("RPC-34")
def test_of_several_faults_the_first_of_the_table_is_named() -> None:
    faulty: dict[str, Any] = {"text": "x" * 21, "number": "x", "unknown": 1}
    expected = [
        ("unknown", FormationViolation), ("at", ProtocolError), ("number", TypeConstraintViolation),
        ("text", PropertyConstraintViolation),
    ]  # fmt: skip
    for path, kind in expected:
        found = error(EVERYTHING, faulty)
        assert (type(found), found.description.partition(":")[0]) == (kind, path)
        faulty.pop(path, None)
        faulty |= {name: value for name, value in VALID.items() if name == path}


@pytest.mark.req("VAL-13")
@pytest.mark.parametrize("tolerance", Tolerance)
@pytest.mark.parametrize("number", [b"12.0", b"1.2e1", b"120E-1", b"12.000000000000000000000"])
def test_an_integral_float_is_an_integer(number: bytes, tolerance: Tolerance) -> None:
    payload = b'{"text":"a","at":"2025-01-31T12:00:00Z","number":' + number + b"}"
    message, deviations = decode(EVERYTHING, payload, tolerance)
    assert (message.number, type(message.number), deviations) == (12, int, {"number": "VAL-13"})


@pytest.mark.req("RPC-34", "MSG-91")
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (b"12.5", TypeConstraintViolation), (b'"12"', TypeConstraintViolation), (b"true", TypeConstraintViolation),
        (b"1e400", TypeConstraintViolation), (b"1e999999", TypeConstraintViolation),
        (b"9223372036854775808", PropertyConstraintViolation), (b"-9223372036854775809", PropertyConstraintViolation),
        (b"1" * 400, PropertyConstraintViolation),
    ],
)  # fmt: skip
def test_what_is_no_64_bit_integer_is_refused_everywhere(number: bytes, kind: type[OcppError]) -> None:
    payload = b'{"text":"a","at":"2025-01-31T12:00:00Z","number":' + number + b"}"
    for tolerance in Tolerance:
        assert type(error(FORGIVING, payload, tolerance)) is kind


@pytest.mark.req("MSG-91")
@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 0])
def test_every_64_bit_integer_is_kept(number: int) -> None:
    assert decode(EVERYTHING, VALID | {"number": number})[0].number == number


@pytest.mark.req("RPC-35")
@pytest.mark.parametrize("number", [b"1" * 5000, b"1e99999999999999999999"])
def test_a_number_beyond_all_reason_is_an_error_like_any_other(number: bytes) -> None:
    payload = b'{"text":"a","at":"2025-01-31T12:00:00Z","number":' + number + b"}"
    assert isinstance(error(FORGIVING, payload, Tolerance.LENIENT), OcppError)


@pytest.mark.req("VAL-03")
@pytest.mark.parametrize("number", ["0.3", "6.1", "8.1", "16", "16.0", "8.10", "1e2", "-0.1", "123456789.7"])
def test_a_multiple_of_a_tenth_passes_in_decimal_arithmetic(number: str) -> None:
    payload = json.dumps(VALID)[:-1].encode() + b',"limit":' + number.encode() + b"}"
    assert decode(EVERYTHING, payload)[0].limit == Decimal(number)


@pytest.mark.req("VAL-03")
@pytest.mark.parametrize("number", ["0.25", "8.11", "1e-2", "8.100000000000000000001", "1e300"])
def test_another_number_is_refused(number: str) -> None:
    payload = json.dumps(VALID)[:-1].encode() + b',"limit":' + number.encode() + b"}"
    assert type(error(EVERYTHING, payload)) is PropertyConstraintViolation


@pytest.mark.req("RPC-34")
@pytest.mark.parametrize("limit", ["8.1", True, [], {}])
def test_a_number_in_quotes_is_no_number(limit: object) -> None:
    assert type(error(EVERYTHING, VALID | {"limit": limit})) is TypeConstraintViolation


@pytest.mark.req("VAL-13")
@pytest.mark.parametrize("tolerance", Tolerance)
def test_null_for_an_optional_property_is_absent(tolerance: Tolerance) -> None:
    assert decode(PLAIN, VALID | {"isSo": None}, tolerance)[1] == {"isSo": "VAL-13"}
    message, deviations = decode(EVERYTHING, VALID | {"limit": None, "pem": None, "isSo": None}, tolerance)
    assert (message.limit, message.pem, message.is_so) == (None, None, False)
    assert deviations == {"limit": "VAL-13", "pem": "VAL-13", "isSo": "VAL-13"}


@pytest.mark.req("VAL-13")
def test_an_array_that_some_send_empty_may_be_empty_and_others_obey_their_bounds() -> None:
    decoder = PayloadDecoder(Certificates)
    for tolerance in Tolerance:
        assert decode(decoder, {"hashes": []}, tolerance) == (Certificates(), {"hashes": "VAL-13"})
    assert type(error(decoder, {"hashes": ["a"] * 3})) is OccurenceConstraintViolation


@pytest.mark.req("RPC-34")
def test_a_form_that_a_pattern_demands_is_a_constraint() -> None:
    assert decode(EVERYTHING, VALID | {"code": "abc", "pem": None})[0].code == "abc"
    assert type(error(EVERYTHING, VALID | {"code": "xyz"})) is PropertyConstraintViolation


@pytest.mark.req("VAL-05")
@pytest.mark.parametrize("tolerance", Tolerance)
def test_a_timestamp_without_offset_is_utc_and_flagged(tolerance: Tolerance) -> None:
    message, deviations = decode(EVERYTHING, VALID | {"at": "2025-01-31T12:00:00.5"}, tolerance)
    assert (message.at, deviations) == (datetime(2025, 1, 31, 12, 0, 0, 500000, UTC), {"at": "VAL-05"})


@pytest.mark.req("VAL-04")
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_does_not_exist_in_utc_never_gets_in(text: str) -> None:
    assert type(error(PLAIN, VALID | {"at": text})) is PropertyConstraintViolation
    message, deviations = decode(PLAIN_FORGIVING, VALID | {"at": text}, Tolerance.LENIENT)
    assert (message.at, message.at.raw, deviations) == (NOW, text, {"at": "VAL-14"})


@pytest.mark.req("VAL-18")
@pytest.mark.parametrize("tolerance", Tolerance)
@pytest.mark.parametrize("text", ["a\x00b", "Straße", "\x1b[31m", "a\nb", "\x7f", "\u202e", "🔌", "\u0085"])
def test_odd_characters_are_kept_and_flagged(text: str, tolerance: Tolerance) -> None:
    for raw in (json.dumps(VALID | {"text": text}), json.dumps(VALID | {"text": text}, ensure_ascii=False)):
        for decoder in (PLAIN, EVERYTHING):
            message, deviations = decode(decoder, raw.encode(), tolerance)
            assert (message.text, deviations) == (text, {"text": "VAL-18"})


@pytest.mark.req("VAL-18")
def test_line_ends_are_no_oddity_where_they_belong() -> None:
    pem = "-----BEGIN CERTIFICATE-----\r\nabc\n"
    assert decode(EVERYTHING, VALID | {"pem": pem})[1] == {}
    assert EVERYTHING.decode_strictly(json.dumps(VALID | {"pem": pem}).encode())[1] == ()


@pytest.mark.req("VAL-18")
def test_nothing_doubtful_goes_out() -> None:
    message, warnings = EVERYTHING.decode_strictly(json.dumps(VALID | {"text": "Straße"}).encode())
    assert (message.text, warnings) == ("Straße", ("text: characters outside ASCII",))
    for doubtful in ({"text": "a\x00"}, {"pem": "a\x1b"}, {"at": "2025-01-31T12:00:00"}):
        with pytest.raises(PropertyConstraintViolation):
            EVERYTHING.decode_strictly(json.dumps(VALID | doubtful).encode())


@pytest.mark.req("RPC-35")
@pytest.mark.parametrize("payload", [b"", b"{", b"{}}", b'{"text":"\xff"}', b'{"text":"\\ud800"}', b'{"text":NaN}'])
def test_what_is_not_json_is_badly_formed(payload: bytes) -> None:
    assert type(error(EVERYTHING, payload, Tolerance.LENIENT)) is FormationViolation


@pytest.mark.req("RPC-35")
@pytest.mark.parametrize("where", [b"unknown", b"text", b"number"])
def test_a_depth_bomb_is_an_error_like_any_other(where: bytes) -> None:
    for depth in (500, 900, 100_000):
        payload = b'{"%b":%b%b}' % (where, b"[" * depth, b"]" * depth)
        for decoder in (FORGIVING, PLAIN):
            assert isinstance(error(decoder, payload, Tolerance.LENIENT), OcppError)


@pytest.mark.req("VAL-02")
def test_a_flood_of_unknown_properties_is_dropped_without_a_flood_of_records() -> None:
    flood = {f"x{number}": number for number in range(1000)} | VALID
    _, deviations = EVERYTHING.decode(json.dumps(flood).encode(), Tolerance.LENIENT, NOW)
    assert len(deviations) == 200


@pytest.mark.req("VAL-17")
def test_what_is_recorded_is_short() -> None:
    deviations = EVERYTHING.decode(json.dumps(VALID | {"x" * 999: "y" * 999}).encode(), Tolerance.LENIENT, NOW)[1]
    assert [(found.path, found.raw) for found in deviations] == [("x" * 50, '"' + "y" * 254)]


@pytest.mark.req("WS-24")
def test_a_secret_is_quoted_neither_in_errors_nor_in_deviations() -> None:
    decoder = PayloadDecoder(Vaults)
    vault = {"password": "hunter2", "hint": None, "passwort": "hunter2"}
    _, deviations = decoder.decode(json.dumps({"vault": vault, "label": None}).encode(), Tolerance.LENIENT, NOW)
    assert {found.path: found.raw for found in deviations} == {
        "vault.hint": "", "vault.passwort": "", "label": "null",
    }  # fmt: skip
    for broken in ({"password": "hunter2" * 9}, {"password": "x", "hint": ["hunter2"]}, {"password": ["hunter2"]}):
        assert "hunter2" not in error(decoder, {"vault": broken}).description


NAMES = ("text", "number", "at", "isSo", "limit", "pem", "code", "unknown")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.req("RPC-34", "RPC-35", "VAL-14")
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["text", "number", "at", "isSo", "limit", "pem", "code", "x"], JSON)
    ),
    st.sampled_from(Tolerance),
    st.booleans(),
)
def test_whatever_the_values_the_outcome_is_a_message_or_an_ocpp_error(
    changes: dict[str, Any], tolerance: Tolerance, is_transactional: bool
) -> None:
    decoder = FORGIVING if is_transactional else PLAIN
    payload = json.dumps(VALID | changes, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        message, _ = decoder.decode(payload, tolerance, NOW)
    except OcppError:
        return
    assert isinstance(message, Everything | Plain)
    assert message.at.utcoffset() is not None


@pytest.mark.req("VAL-01")
def test_a_raw_payload_is_taken_as_it_comes_out_of_a_frame() -> None:
    raw = msgspec.Raw(json.dumps(VALID).encode())
    assert EVERYTHING.decode(raw, Tolerance.STRICT, NOW)[0] == Everything("a", 1, datetime(2025, 1, 31, 12, tzinfo=UTC))


def test_a_type_that_ocpp_does_not_know_is_refused_when_the_message_is_declared() -> None:
    class Wrong(Payload, frozen=True):
        """Has a set."""

        items: frozenset[str] = frozenset()

    with pytest.raises(TypeError, match="has no place in a message"):
        PayloadDecoder(Wrong)

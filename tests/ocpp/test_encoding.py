"""Payloads on their way out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.types import CiString20, OneDecimal, Payload


class Limit(Payload, frozen=True):
    """A message with a decimal, optionals and an array."""

    limit: OneDecimal
    steps: tuple[Step, ...] = ()
    comment: CiString20 | None = None


class Step(Payload, frozen=True):
    """Part of a Limit."""

    at_least: OneDecimal | None = None


class Nothing(Payload, frozen=True):
    """An empty message."""


@pytest.mark.req("RPC-03", "RPC-04")
def test_absent_optionals_are_omitted_and_an_empty_message_is_an_empty_object() -> None:
    assert encode_payload(Nothing()) == b"{}"
    assert encode_payload(Limit(Decimal("16.0"))) == b'{"limit":16.0}'
    assert encode_payload(Limit(Decimal(1), (Step(),), "x")) == b'{"limit":1.0,"steps":[{}],"comment":"x"}'


@pytest.mark.req("VAL-03")
@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("8.1", "8.1"),
        ("0.3", "0.3"),
        ("6.10", "6.1"),
        ("16", "16.0"),
        ("1E+2", "100.0"),
        ("7.29", "7.2"),
        ("-1", "-1.0"),
    ],
)
def test_a_number_has_one_decimal_and_is_never_rounded_up(number: str, text: str) -> None:
    payload = encode_payload(Limit(Decimal(0), (Step(Decimal(number)),)))
    assert payload == b'{"limit":0.0,"steps":[{"atLeast":%b}]}' % text.encode()


@pytest.mark.req("VAL-03")
@given(st.integers(-(10**9), 10**9).map(lambda tenths: Decimal(tenths) / 10))
def test_every_multiple_of_a_tenth_survives_the_way_out_and_in(number: Decimal) -> None:
    assert PayloadDecoder(Limit).decode_strictly(encode_payload(Limit(number)))[0] == Limit(number)


@pytest.mark.req("RPC-06")
def test_text_goes_out_as_utf_8_only_where_it_was_given_so() -> None:
    assert encode_payload(Limit(Decimal(1), comment="Straße")) == '{"limit":1.0,"comment":"Straße"}'.encode()
    assert encode_payload(Limit(Decimal(1), comment='"\n')) == b'{"limit":1.0,"comment":"\\"\\n"}'

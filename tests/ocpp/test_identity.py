"""Identities from URLs."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd.ocpp.identity import identity_of, is_identity

PATHS = ("/ocpp", "")


@pytest.mark.req("WS-02", "WS-03")
@pytest.mark.parametrize(
    ("target", "paths", "identity"),
    [
        ("/ocpp/CP001", ("/ocpp",), "CP001"),
        ("/CP001", ("",), "CP001"),
        ("/CP001", PATHS, "CP001"),
        ("/ocpp/CP001", PATHS, "CP001"),
        ("/a/b/CP001", ("/a/b", "/ocpp"), "CP001"),
        ("/a/b/CP001", ("/a/b/",), "CP001"),
        ("/a/b/CP001", ("/a", "/a/b", ""), "CP001"),
        ("/other/CP001", ("/ocpp",), None),
        ("/ocppCP001", ("/ocpp",), None),
        ("/CP001", ("/ocpp",), None),
        ("/CP001", (), None),
    ],
)
def test_the_one_segment_after_a_configured_endpoint_path_is_the_identity(
    target: str, paths: tuple[str, ...], identity: str | None
) -> None:
    assert identity_of(target, paths) == identity


@pytest.mark.req("WS-04", "WS-06")
@pytest.mark.parametrize(
    ("target", "identity"),
    [
        ("/ocpp/RDAM%20123", "RDAM 123"),
        ("/ocpp/A%2FB", "A/B"),
        ("/ocpp/A%2fB", "A/B"),
        ("/ocpp/%E2%82%AC", "€"),
        ("/ocpp/\xe2\x82\xac", "€"),  # the same octets, not encoded
        ("/ocpp/A%3FB", "A?B"),
        ("/ocpp/a+b", "a+b"),
        ("/ocpp/cp001", "cp001"),
        ("/ocpp/A%252FB", "A%2FB"),
    ],
)
def test_the_target_is_split_before_it_is_decoded_and_decoded_once(target: str, identity: str) -> None:
    assert identity_of(target, PATHS) == identity


@pytest.mark.req("WS-05")
@pytest.mark.parametrize(
    ("target", "identity"), [("/ocpp/CP001/", "CP001"), ("/ocpp/CP001?x=/y", "CP001"), ("/CP001/?a=%FF", "CP001")]
)
def test_a_query_and_one_trailing_slash_are_tolerated(target: str, identity: str) -> None:
    assert identity_of(target, PATHS) == identity


@pytest.mark.req("WS-05")
@pytest.mark.parametrize(
    "target",
    [
        *("", "/", "//", "*", "CP001", "/ocpp", "/ocpp/", "/ocpp//", "/ocpp/CP001//", "/ocpp/a/b", "/ocpp//CP001"),
        *("/ocpp/%FF", "/ocpp/\xff", "/ocpp/%C3%28", "/ocpp/%", "/ocpp/%4", "/ocpp/%zz", "/ocpp/%ED%A0%80", "/ocpp/€"),
        *("/ocpp/%00", "/ocpp/CP%0D%0A1", "/ocpp/..", "/ocpp/%2E", "/a/b", "http://host/ocpp/CP001", "?CP001"),
    ],
)
def test_whatever_else_has_no_identity(target: str) -> None:
    assert identity_of(target, PATHS) is None


@pytest.mark.req("WS-06")
def test_identities_of_255_characters_are_identities() -> None:
    assert identity_of("/" + "%C3%A9" * 255, PATHS) == "é" * 255
    assert identity_of("/" + "x" * 256, PATHS) is None


@pytest.mark.req("WS-04", "WS-06")
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=255))
def test_every_identity_survives_its_encoding(identity: str) -> None:
    expected = identity if is_identity(identity) else None
    assert identity_of("/ocpp/" + quote(identity, safe=""), PATHS) == expected


@pytest.mark.req("WS-05")
@given(st.text(), st.lists(st.sampled_from(["", "/ocpp", "/a/b", "/a"])).map(tuple))
def test_no_target_is_an_error(target: str, paths: tuple[str, ...]) -> None:
    identity = identity_of(target, paths)
    assert identity is None or is_identity(identity)

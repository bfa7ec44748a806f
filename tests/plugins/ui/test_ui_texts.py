"""How things are written: numbers, times, other people's characters; filters; curves; where forms may lead."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd_ui.filters import parse
from csmsd_ui.fmt import clock, duration, energy, visible, zone_of
from csmsd_ui.rendering import pretty, row_id
from csmsd_ui.series import thinned
from csmsd_ui.targets import local_target


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    shown = visible(text)
    assert not {"\u202e", "\u200b", "\x00", "\x1b", "\ufeff", "\u2028"} & set(shown)
    shown.encode()


@pytest.mark.parametrize(
    ("wh", "text"),
    [(None, ""), (0, "0.00"), (5, "0.01"), (4, "0.00"), (9_740, "9.74"), (-1_004, "-1.00"), (1_234_567, "1,234.57")],
)
def test_energy_is_exact_and_missing_is_not_nothing(wh: int | None, text: str) -> None:
    assert energy(wh) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (42, "42 s"), (3_700, "1 h 01 min"), (187_200, "2 d 4 h")])
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_those_of_the_zone_and_unknown_zones_are_utc() -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert clock(moment, moment, zone_of("Europe/Berlin")) == "14:00:00"
    assert clock(moment, datetime(2026, 7, 3, tzinfo=UTC), UTC) == "1 Jul 12:00:00"
    for name in ("", "Nowhere/Land", "../../etc/passwd", "x" * 1000, "\0"):
        assert zone_of(name) is UTC


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "/ui/\\x", "/api/x", "", None, "/ui/\n"]
)
def test_a_form_never_leads_to_another_machine(wanted: object) -> None:
    assert local_target(wanted) == "/ui/"
    assert local_target("/ui/stations?q=x") == "/ui/stations?q=x"


def test_a_filter_knows_its_fields_and_says_what_it_does_not_know() -> None:
    wanted = parse("status:Faulted -action:Heartbeat ber colour:red", ("status", "action"))
    assert wanted.value("status") == "Faulted"
    assert wanted.excluded("action") == ["Heartbeat"]
    assert wanted.unknown == ["colour:red"]
    assert wanted.finds("DE-BER-1", "xcolour:redx")
    assert not wanted.finds("DE-HAM-1")
    assert [word.without for word in parse("a b", ()).removable()] == ["b", "a"]


@given(st.lists(st.integers(), max_size=3000))
def test_thinning_keeps_the_highest_and_the_lowest(values: list[int]) -> None:
    kept = thinned(values, 600)
    assert len(kept) <= 600
    assert kept == sorted(set(kept))
    if values:
        assert {max(values), min(values)} <= {values[index] for index in kept}


@given(st.text())
def test_ids_of_elements_are_safe_whatever_they_are_made_of(text: str) -> None:
    assert row_id("st", text).replace("-", "").isalnum()


@pytest.mark.parametrize("payload", ['{"a": "<b>"}', "<script>", "[" * 5000, '{"a": 1.10}', "", "\ud800"])
def test_payloads_are_shown_as_text_whatever_they_are(payload: str) -> None:
    shown = str(pretty(payload))
    assert "<b>" not in shown
    assert "<script" not in shown
    assert "1.10" in shown or "1.1" not in payload

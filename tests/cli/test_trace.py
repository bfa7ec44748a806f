"""Sentences about who was asked for an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from csmsd.cli.trace import Frame, Step, explained

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def told(*steps: tuple[Any, ...], error: str = "", action: str = "Authorize", direction: str = "in") -> list[str]:
    """Without the spaces of the columns; acme, billing and core are asked now."""
    trace = tuple(Step(*step) for step in steps)
    frame = Frame(direction, action, "{}", None, error, NOON, 100, trace=trace)
    return [" ".join(line.split()) for line in explained(frame, ["acme", "billing", "core"])]


def test_each_step_has_its_reason_and_the_rest_was_not_asked() -> None:
    assert told(("acme", "failed", 7, "ValueError"), ("billing", "answered", 12)) == [
        "acme failed 7 µs it failed: ValueError",
        "billing answered 12 µs this is the answer",
        "not asked, because billing had decided: core",
    ]


def test_questions_on_the_way_are_told_apart() -> None:
    assert told(
        ("acme", "passed over", 1),
        ("billing", "passed over", 1),
        ("acme", "answered", 5, "deciding authorize_id_tag"),
        ("core", "pending", 20),
        ("core", "answered", 900),
    ) == [
        "acme passed over 1 µs it is not for this plugin: it answered None",
        "billing passed over 1 µs it is not for this plugin: it answered None",
        "acme answered 5 µs deciding authorize_id_tag: this decided",
        "core pending 20 µs it answers as soon as that is stored, or decided",
        "core answered 900 µs this is the answer",
    ]


def test_a_guard_decides_before_anybody_is_asked() -> None:
    assert told(("acme", "refused", 3, "deciding guard_call"), error="SecurityError") == [
        "acme refused 3 µs deciding guard_call: it refused the CALL",
        "not asked, because acme had decided: acme, billing, core",
    ]


@pytest.mark.parametrize(
    ("steps", "options", "last"),
    [
        ([("acme", "too slow", 5)], {"error": "InternalError"}, "nobody answered: InternalError"),
        ([("core", "pending", 5)], {}, "nobody answered: the connection ended first"),
        ([], {"error": "NotSupported"}, "refused before any plugin was asked to answer it: NotSupported"),
        ([], {"action": "", "error": "malformed"}, "no CALL: nobody was asked"),
        ([], {"direction": "out"}, "csmsd called; the station answered"),
        ([("kernel", "absorbed", 5)], {}, "kernel absorbed 5 µs it is confirmed with nothing"),
    ],
)
def test_what_nobody_answered_says_why(steps: list[Any], options: dict[str, str], last: str) -> None:
    assert told(*steps, **options)[-1] == last

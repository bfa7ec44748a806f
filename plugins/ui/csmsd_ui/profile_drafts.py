"""A charging profile as it is typed: from a form's fields to a draft, and a composite schedule as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import msgspec

from csmsd.errors import InvalidPayload
from csmsd_core.messages import ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit
from csmsd_smartcharging import Composite, Draft

PURPOSES: tuple[str, ...] = get_args(ChargingProfilePurpose)
KINDS: tuple[str, ...] = get_args(ChargingProfileKind)
UNITS: tuple[str, ...] = get_args(ChargingRateUnit)
ROWS = 4
HOUR, MINUTE = 3600, 60


def draft_of(form: Mapping[str, str]) -> tuple[int, Draft]:
    """Connector and draft; InvalidPayload says which field is wrong."""
    periods: list[dict[str, Any]] = []
    for row in range(ROWS):
        start, limit = form.get(f"start{row}", "").strip(), form.get(f"limit{row}", "").strip()
        if not limit:
            continue
        try:
            amount = Decimal(limit)
        except InvalidOperation:
            raise InvalidPayload(f"a limit is a number, not {limit!r}") from None
        periods.append({"start_period": _whole(start or "0", "a start") * MINUTE, "limit": amount})
    if not periods:
        raise InvalidPayload("a profile needs one limit at least")
    fields: dict[str, Any] = {
        "purpose": form.get("purpose", "TxDefaultProfile"),
        "kind": form.get("kind", "Absolute"),
        "unit": form.get("unit", "A"),
        "stack_level": _whole(form.get("stack_level") or "0", "the stack level"),
        "periods": periods,
    }
    if fields["kind"] == "Recurring":
        fields["recurrency_kind"] = "Daily"
    hours = form.get("hours", "").strip()
    if hours:
        fields["duration"] = _whole(hours, "the hours") * HOUR
    try:
        return _whole(form.get("connector_id") or "0", "the connector"), msgspec.convert(fields, Draft)
    except msgspec.ValidationError as error:
        raise InvalidPayload(str(error)) from None


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidPayload(f"{what} is a whole number, not {text!r}")
    return int(text)


def curves(parts: Sequence[tuple[str, Composite, Mapping[str, Any]]]) -> dict[str, Any]:
    """Composite schedules of one start as steps for charts.js; a stretch without a limit is a gap."""
    start, duration = parts[0][1].start.timestamp(), parts[0][1].duration
    moments = sorted({0, duration, *(period.start_period for _, each, _ in parts for period in each.periods)})
    series: list[dict[str, Any]] = [
        {
            "label": label,
            "unit": "W" if each.unit == "W" else "A",
            "steps": True,
            "values": [_at(each, moment) for moment in moments],
            **look,
        }
        for label, each, look in parts
    ]
    has_limit = any(value is not None for each in series for value in each["values"])
    band = [2, 1] if len(parts) == 2 and has_limit else None
    shown = moments if has_limit else []
    return {"x": [start + moment for moment in shown], "series": series, "band": band, "empty": "Nothing limits it."}


def _at(composite: Composite, moment: int) -> float | None:
    current = [period.limit for period in composite.periods if period.start_period <= moment]
    return None if not current or current[-1] is None else float(current[-1])

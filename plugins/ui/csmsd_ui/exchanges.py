"""An exchange in words: what was asked, what was answered, and who decided it."""

from __future__ import annotations

import json
from typing import Any, cast

from csmsd.journal import Exchange

LEADING = (
    "connectorId", "status", "errorCode", "idTag", "transactionId", "reason", "key", "value", "type",
    "requestedMessage", "chargePointVendor", "chargePointModel", "vendorId", "messageId", "location", "expiryDate",
)  # fmt: skip
HIDDEN_ZERO = ("NoError",)


def summary(exchange: Exchange) -> str:
    """The first few things of the request that tell one from another."""
    known = _object(exchange.request)
    if known is None:
        return exchange.request[:80]
    told = [_short(known[name]) for name in LEADING if isinstance(known.get(name), (str, int, float))]
    if "meterValue" in known:
        count = str(known["meterValue"]).count("'timestamp'")
        told.append("1 reading" if count == 1 else f"{count} readings")
    told += [f"{known[name]:,} Wh" for name in ("meterStart", "meterStop") if isinstance(known.get(name), int)]
    return ", ".join(text for text in told if text not in HIDDEN_ZERO)[:120]


def verdict(exchange: Exchange) -> str:
    """The answer in a word."""
    if exchange.response is None:
        return "no answer"
    known = _object(exchange.response) or {}
    info = known.get("idTagInfo")
    inner: dict[str, Any] = cast("dict[str, Any]", info) if isinstance(info, dict) else {}
    status = known.get("status") or inner.get("status")
    if isinstance(known.get("transactionId"), int):
        return f"{known['transactionId']} {status or ''}".strip()
    return str(status)[:60] if status else "ok"


def decider(exchange: Exchange) -> str:
    """The plugin that answered."""
    answered = [step.plugin for step in exchange.trace if step.outcome in ("answered", "pending")]
    return answered[-1] if answered else "csmsd"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:38] + "…"


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None

"""An exchange in words: what was asked, what was answered, and who decided it."""

from __future__ import annotations

import json
from typing import Any

from csmsd.journal import Exchange

LEADING = (
    "connectorId", "status", "errorCode", "idTag", "transactionId", "reason", "key", "value", "type",
    "requestedMessage", "chargePointVendor", "chargePointModel", "vendorId", "messageId", "location", "expiryDate",
)  # fmt: skip
HIDDEN_ZERO = ("NoError",)


def summary(exchange: Exchange) -> str:
    """The first few things of the request that tell one from another."""
    request = _parsed(exchange.request)
    if not isinstance(request, dict):
        return exchange.request[:80]
    known: dict[str, Any] = request
    told = [_short(known[name]) for name in LEADING if isinstance(known.get(name), (str, int, float))]
    if "meterValue" in known and isinstance(known["meterValue"], list):
        told.append(f"{len(known['meterValue'])} readings" if len(known["meterValue"]) != 1 else "1 reading")
    for name in ("meterStart", "meterStop"):
        if isinstance(known.get(name), int):
            told.append(f"{known[name]:,} Wh")
    return ", ".join(text for text in told if text not in HIDDEN_ZERO)[:120]


def verdict(exchange: Exchange) -> str:
    """The answer in a word."""
    if exchange.response is None:
        return "no answer"
    response = _parsed(exchange.response)
    if not isinstance(response, dict):
        return "ok"
    known: dict[str, Any] = response
    info = known.get("idTagInfo")
    status = known.get("status") or (info.get("status") if isinstance(info, dict) else None)
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


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

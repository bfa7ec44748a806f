"""The built-in answer to `price_transaction`: one tariff for everybody, in whole minor units."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from csmsd_core.hookspecs import Price
from csmsd_core.records import Transaction

MinorUnits = Annotated[int, Meta(ge=0)]


class Tariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts in minor units of the currency: cents, pence …; OCPP 1.6 has no field for them."""

    currency: Annotated[str, Meta(pattern="^([A-Z]{3})?$"), 'ISO 4217, like EUR; "": csmsd names no price.'] = ""
    per_kwh: Annotated[MinorUnits, "For a kWh; parts of it count."] = 0
    per_minute: Annotated[MinorUnits, "For a minute from start to stop; parts of it count."] = 0
    per_session: Annotated[MinorUnits, "For each transaction."] = 0


def price(tariff: Tariff, transaction: Transaction) -> Price | None:
    """What a stopped transaction costs, rounded once, half up; None if that is not known.

    Not known without a tariff, and where the energy or the duration that it counts is implausible (TX-27): then a
    person has to look, and no price is better than a wrong one.
    """
    energy, seconds = transaction.energy_wh, transaction.duration_seconds
    if not tariff.currency or not transaction.is_stopped:
        return None
    if tariff.per_kwh and (energy is None or energy < 0):
        return None
    if tariff.per_minute and seconds is None:
        return None
    exact = (energy or 0) * tariff.per_kwh * 60 + (seconds or 0) * tariff.per_minute * 1000  # in 1/60000
    return Price(tariff.currency, tariff.per_session + (exact + 30_000) // 60_000, _how(tariff, energy, seconds))


def _how(tariff: Tariff, energy_wh: int | None, seconds: int | None) -> str:
    parts: list[str] = []
    if tariff.per_kwh:
        whole, rest = divmod(energy_wh or 0, 1000)
        parts.append(f"{whole}.{rest:03} kWh at {tariff.per_kwh}")
    if tariff.per_minute:
        minutes, rest = divmod(seconds or 0, 60)
        parts.append(f"{minutes}:{rest:02} min at {tariff.per_minute}")
    if tariff.per_session:
        parts.append(f"session {tariff.per_session}")
    return " + ".join(parts)

"""What needs a person: causes, not single events; the worst first, each with one next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from csmsd_core import TransactionFilter
from csmsd_security import SecurityPlugin
from csmsd_ui.desk import Desk
from csmsd_ui.doctor import causes
from csmsd_ui.rendering import query_of


@dataclass(frozen=True, slots=True)
class Concern:
    """One line of the list."""

    severity: Literal["bad", "warn", "note"]
    title: str
    detail: str
    where: str
    since: datetime | None
    step: str
    path: str


async def concerns(desk: Desk) -> list[Concern]:
    """All of them."""
    found = [
        *await _connections(desk),
        *await _faults(desk),
        *_plugins(desk),
        *await _transactions(desk),
        *await _security(desk),
        *_clocks(desk),
        *await _undecided(desk),
    ]
    return sorted(found, key=lambda each: ("bad", "warn", "note").index(each.severity))


async def _connections(desk: Desk) -> list[Concern]:
    return [
        Concern(
            "note" if cause.stage in ("tcp", "upgrade") else "bad" if cause.stage != "identity" else "warn",
            cause.title,
            f"refused at {cause.stage}, {_count(cause.attempts, 'attempt')}",
            _count(len(cause.stations), "station") if cause.stations else _count(len(cause.addresses), "address", "es"),
            cause.first_at,
            "Open doctor",
            "/ui/connections" + query_of(id=cause.first_station),
        )
        for cause in (await causes(desk.host))[:8]
    ]


async def _faults(desk: Desk) -> list[Concern]:
    fleet = await desk.figures.fleet()
    by_error = Counter(each.error_code or "no error code" for each in fleet.faulted)
    first = {each.error_code: each for each in reversed(fleet.faulted)}
    return [
        Concern(
            "bad",
            f"{error} on a connector",
            f"Faulted; one of them is {first[error].station_id}" if error in first else "Faulted",
            _count(count, "connector"),
            first[error].since if error in first else None,
            "List",
            "/ui/stations" + query_of(q="status:Faulted"),
        )
        for error, count in by_error.most_common(5)
    ]


def _plugins(desk: Desk) -> list[Concern]:
    return [
        Concern(
            "bad",
            f"Plugin {status.name} is {status.state}",
            status.last_failure or "it does nothing until somebody enables it",
            f"{status.backlog:,} facts wait" if status.backlog else "1 plugin",
            None,
            "Open plugin",
            f"/ui/plugins/{status.name}",
        )
        for status in desk.host.plugins.status()
        if status.state in ("quarantined", "failed")
    ]


async def _transactions(desk: Desk) -> list[Concern]:
    service = desk.core.transactions
    proposals = await service.proposals(limit=100)
    superseded = await service.list(TransactionFilter(status="superseded", limit=100))
    found: list[Concern] = []
    if proposals:
        title = "Stops or readings that may belong to a transaction"
        where = _count(len(proposals), "decision")
        found.append(
            Concern("warn", title, "csmsd proposes, you decide", where, proposals[0].made_at, "Repair", "/ui/repairs")
        )
    if superseded:
        where = _count(len(superseded), "transaction")
        found.append(
            Concern(
                "warn",
                "Another session began, and no stop is known",
                "the stop was lost, or is still queued in the station",
                where,
                superseded[-1].started_at,
                "Repair",
                "/ui/repairs",
            )
        )
    return found


async def _security(desk: Desk) -> list[Concern]:
    plugin = desk.plugin(SecurityPlugin, "security")
    if plugin is None:
        return []
    found: list[Concern] = []
    alerts = await plugin.events.page(only_alerts=True, limit=100)
    if alerts:
        kinds = ", ".join(sorted({each.type for each in alerts}))
        stations = len({each.station_id for each in alerts})
        found.append(
            Concern(
                "warn",
                "Critical security events",
                kinds[:120],
                _count(stations, "station"),
                alerts[-1].received_at,
                "Look",
                "/ui/security",
            )
        )
    expiring = plugin.certificates.expiring()
    if expiring:
        ends = min((each.not_after for each in expiring if each.not_after), default=None)
        where = _count(len(expiring), "station")
        found.append(
            Concern("warn", "Station certificates end soon", "security profile 3", where, ends, "Renew", "/ui/security")
        )
    return found


def _clocks(desk: Desk) -> list[Concern]:
    drifting = desk.core.clocks.drifting()
    if not drifting:
        return []
    worst = max(drifting, key=lambda each: abs(drifting[each]))
    detail = f"{worst} by {abs(drifting[worst]):,.0f} s"
    return [
        Concern(
            "note", "Clocks are off", detail, _count(len(drifting), "station"), None, "Look", f"/ui/stations?q={worst}"
        )
    ]


async def _undecided(desk: Desk) -> list[Concern]:
    fleet = await desk.figures.fleet()
    if not fleet.pending:
        return []
    where = _count(fleet.pending, "station")
    path = "/ui/stations" + query_of(q="registration:Pending")
    return [Concern("note", "Stations wait for acceptance", "Pending or Rejected", where, None, "Decide", path)]


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def worst(found: Sequence[Concern]) -> int:
    """How many are bad."""
    return sum(each.severity == "bad" for each in found)

"""What has been recorded of stations: exchanges, attempts to connect, deviations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from csmsd.host import Host
from csmsd.journal import Attempt, Decision, DeviationCount, Exchange, ExchangeFilter
from csmsd.ocpp.decoding import Deviation
from csmsd_web.paging import AfterNumber, Limit, Page, link_after
from csmsd_web.problems import Problem


class DecisionView(msgspec.Struct, frozen=True):
    """One step of the decision trace."""

    plugin: str
    outcome: str
    microseconds: int
    note: str


class ExchangeView(msgspec.Struct, frozen=True, kw_only=True):
    """A CALL and what became of it; payloads are JSON texts as they were on the line, secrets masked."""

    id: int
    station_id: str
    direction: Literal["in", "out"]
    call_id: str
    action: str
    request: str
    response: str | None
    error: str
    at: datetime
    microseconds: int
    deviations: tuple[Deviation, ...]
    trace: tuple[DecisionView, ...]


def view_of(exchange: Exchange) -> ExchangeView:
    """An exchange as the API shows it."""
    fields = {name: getattr(exchange, name) for name in exchange.__struct_fields__ if name != "trace"}
    return ExchangeView(**fields, trace=tuple(map(_decision, exchange.trace)))


def _decision(step: Decision) -> DecisionView:
    return DecisionView(step.plugin, step.outcome, step.microseconds, step.note)


@get("/stations/{station_id:str}/exchanges", scope="read", summary="Messages of a station", tags=["Journal"])
async def list_exchanges(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    station_id: FromPath[str],
    action: FromQuery[str | None] = None,
    only_errors: FromQuery[bool] = False,
    only_deviating: FromQuery[bool] = False,
    limit: Limit = 100,
    after: AfterNumber = None,
) -> Page[ExchangeView]:
    """Newest first; also of a station that has been removed."""
    wanted = ExchangeFilter(station_id, action, only_errors, only_deviating, before_id=after, limit=limit)
    found = [view_of(exchange) for exchange in await host.journal.exchanges(wanted)]
    return Page(found, link_after(request, found[-1].id) if len(found) == limit else None)


@get("/exchanges", scope="read", summary="Messages of all stations", tags=["Journal"])
async def list_all_exchanges(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    action: FromQuery[str | None] = None,
    only_errors: FromQuery[bool] = False,
    only_deviating: FromQuery[bool] = False,
    limit: Limit = 100,
    after: AfterNumber = None,
) -> Page[ExchangeView]:
    """Newest first."""
    wanted = ExchangeFilter(None, action, only_errors, only_deviating, before_id=after, limit=limit)
    found = [view_of(exchange) for exchange in await host.journal.exchanges(wanted)]
    return Page(found, link_after(request, found[-1].id) if len(found) == limit else None)


@get("/exchanges/{exchange_id:int}", scope="read", summary="Look a message up", tags=["Journal"])
async def get_exchange(host: NamedDependency[Host], exchange_id: FromPath[int]) -> ExchangeView:
    """Request, answer, deviations, and how it was decided; 404 once retention has deleted it."""
    if 0 < exchange_id < 2**63 - 1:
        found = await host.journal.exchanges(ExchangeFilter(before_id=exchange_id + 1, limit=1))
        if found and found[0].id == exchange_id:
            return view_of(found[0])
    raise Problem(404, "unknown-exchange", f"there is no message {exchange_id}, or not any more")


@get("/stations/{station_id:str}/attempts", scope="read", summary="A station's attempts to connect", tags=["Journal"])
async def list_attempts_of(host: NamedDependency[Host], station_id: FromPath[str], limit: Limit = 100) -> Page[Attempt]:
    """Newest first."""
    return Page(await host.journal.attempts(station_id=station_id, limit=limit))


@get("/attempts", scope="read", summary="All attempts to connect", tags=["Journal"])
async def list_attempts(host: NamedDependency[Host], limit: Limit = 100) -> Page[Attempt]:
    """Newest first, with the stage reached and the cause of a refusal."""
    return Page(await host.journal.attempts(limit=limit))


@get("/stations/{station_id:str}/deviations", scope="read", summary="A station's deviations", tags=["Journal"])
async def list_deviations_of(host: NamedDependency[Host], station_id: FromPath[str]) -> Page[DeviationCount]:
    """How often it deviated from which rule, the most frequent first (VAL-17)."""
    return Page(await host.journal.deviations(station_id=station_id))


@get("/deviations", scope="read", summary="Deviations of all stations", tags=["Journal"])
async def list_deviations(host: NamedDependency[Host]) -> Page[DeviationCount]:
    """The most frequent first (VAL-17)."""
    return Page(await host.journal.deviations())


ROUTES = [
    list_exchanges,
    list_all_exchanges,
    get_exchange,
    list_attempts_of,
    list_attempts,
    list_deviations_of,
    list_deviations,
]

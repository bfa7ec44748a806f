"""One transaction whole: facts, curve, readings, every stop; close it, and take that back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.events import Event
from csmsd_core import Transaction
from csmsd_core.corrections import UnknownTransaction
from csmsd_core.records import Reading
from csmsd_ui.desk import Desk
from csmsd_ui.live import LiveView, Part
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import HEADERS, Viewer
from csmsd_ui.series import series_of
from csmsd_ui.targets import back_to

REASONS = ("Other", "Local", "Remote", "EVDisconnected", "PowerLoss", "Reboot", "HardReset", "SoftReset")
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)


async def find(desk: Desk, transaction_id: int) -> Transaction:
    """The transaction, or a page that says there is none."""
    try:
        return await desk.core.transactions.find(transaction_id)
    except UnknownTransaction as error:
        raise HTTPException(detail=str(error), status_code=404) from None


class LiveTransaction(LiveView):
    """The facts of one transaction."""

    kinds = frozenset({"transaction.updated", "transaction.stopped", "exchange"})

    def __init__(self, desk: Desk, transaction: Transaction, viewer: Viewer) -> None:
        self.station_id = transaction.station_id
        self._desk, self._id, self._viewer = desk, transaction.id, viewer

    def dirtied(self, event: Event) -> tuple[str, ...]:
        """See LiveView."""
        return ("facts",) if event.kind != "exchange" or b'"MeterValues"' in bytes(event.data) else ()

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """See LiveView."""
        facts = await facts_of(self._desk, await self._desk.core.transactions.find(self._id))
        return [Part("facts", self._desk.pages.fragment(self._viewer, "transaction_facts.html", **facts))]


async def facts_of(desk: Desk, transaction: Transaction) -> dict[str, Any]:
    """What the facts' card shows."""
    readings = await desk.core.transactions.readings(transaction.id)
    last = next((each for each in reversed(readings) if each.energy_wh is not None), None)
    energy = transaction.energy_wh
    if energy is None and last is not None and last.energy_wh is not None:
        energy = last.energy_wh - transaction.meter_start
    return {
        "t": transaction,
        "energy": energy,
        "last": last,
        "count": len(readings),
        "station_is_known": any(record.id == transaction.station_id for record in _known(desk, transaction)),
    }


def _known(desk: Desk, transaction: Transaction) -> Sequence[Any]:
    try:
        return [desk.host.stations.record(transaction.station_id)]
    except Exception:
        return []


def transaction_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The page, its data, its stream, its repairs."""

    @get("/ui/transactions/{transaction_id:int}", scope="read")
    async def transaction(request: AnyRequest, transaction_id: FromPath[int]) -> Response[str]:
        """All that is known."""
        found, service = await find(desk, transaction_id), desk.core.transactions
        readings = await service.readings(transaction_id)
        waiting = await service.proposals(found.station_id, 100)
        return desk.pages.respond(
            request,
            "transaction.html",
            title=f"Transaction {transaction_id}",
            live=f"/ui/events/transactions/{transaction_id}" if not found.is_stopped else "",
            **await facts_of(desk, found),
            readings=readings[-50:],
            stops=await service.stops(transaction_id),
            proposals=[each for each in waiting if each.transaction_id == transaction_id],
            reasons=REASONS,
            panels=await desk.panels(request, "transaction", str(transaction_id)),
        )

    @get("/ui/data/transactions/{transaction_id:int}", scope="read")
    async def series(transaction_id: FromPath[int]) -> Response[Any]:
        """Its curves: at most 600 points each."""
        await find(desk, transaction_id)
        readings: Sequence[Reading] = await desk.core.transactions.readings(transaction_id)
        return Response(
            series_of(readings), media_type="application/json", headers={"cache-control": HEADERS["cache-control"]}
        )

    @get("/ui/events/transactions/{transaction_id:int}", scope="read")
    async def watch(request: AnyRequest, transaction_id: FromPath[int]) -> ASGIApp:
        """Its facts as they change."""
        return desk.stream(request, LiveTransaction(desk, await find(desk, transaction_id), desk.viewer(request)))

    @post("/ui/transactions/{transaction_id:int}/close", scope="operate", status_code=303)
    async def close(request: AnyRequest, transaction_id: FromPath[int]) -> Redirect:
        """Until the station's own StopTransaction arrives (TX-40)."""
        form = await request.form()
        typed = str(form.get("meter_stop") or "").strip()
        if typed and WHOLE.fullmatch(typed) is None:
            raise HTTPException(detail=f"The meter reading is whole watt hours, not {typed!r}.", status_code=422)
        reason = str(form.get("reason") or "Other")
        await desk.core.transactions.close(
            transaction_id,
            actor=request.user,
            meter_stop=int(typed) if typed else None,
            reason=reason if reason in REASONS else "Other",
        )
        return back_to(f"/ui/transactions/{transaction_id}")

    @post("/ui/transactions/{transaction_id:int}/reopen", scope="operate", status_code=303)
    async def reopen(request: AnyRequest, transaction_id: FromPath[int]) -> Redirect:
        """Take a close, or the mark "superseded", back."""
        await desk.core.transactions.reopen(transaction_id, actor=request.user)
        return back_to(f"/ui/transactions/{transaction_id}")

    @post("/ui/transactions/{transaction_id:int}/separate/{stop_id:int}", scope="operate", status_code=303)
    async def separate(request: AnyRequest, transaction_id: FromPath[int], stop_id: FromPath[int]) -> Redirect:
        """A transaction of its own for a stop that came second (TX-22)."""
        form = await request.form()
        started_at, meter = _moment(str(form.get("started_at") or "")), str(form.get("meter_start") or "")
        if started_at is None or WHOLE.fullmatch(meter) is None:
            raise HTTPException(
                detail="A start needs a time such as 2030-01-01T08:00:00Z and a meter reading in whole Wh.",
                status_code=422,
            )
        made = await desk.core.transactions.separate(
            stop_id,
            actor=request.user,
            started_at=started_at,
            meter_start=int(meter),
            id_tag=str(form.get("id_tag") or ""),
        )
        return back_to(f"/ui/transactions/{made.id}")

    return [transaction, series, watch, close, reopen, separate]


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None

"""Transactions: the list, and what needs a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd_core import TransactionFilter
from csmsd_core.folding import folded
from csmsd_core.records import TransactionStatus
from csmsd_ui.columns import cells_of
from csmsd_ui.desk import Desk
from csmsd_ui.filters import parse
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of
from csmsd_ui.targets import back_to

ROWS = 50
FIELDS = ("station", "status", "tag", "connector")
STATUSES: tuple[TransactionStatus, ...] = get_args(TransactionStatus)


def wanted_of(q: str, before: int | None, station_id: str | None = None) -> tuple[TransactionFilter, list[str]]:
    """What a filter asks of the database, and words that it cannot."""
    terms = parse(q, FIELDS)
    known: dict[str, TransactionStatus] = {each: each for each in STATUSES}
    connector, tag = terms.value("connector") or "", terms.value("tag")
    wanted = TransactionFilter(
        station_id=station_id or terms.value("station"),
        connector_id=int(connector) if connector.isdecimal() and len(connector) < 10 else None,
        id_tag_key=None if tag is None else folded(tag),
        status=known.get((terms.value("status") or "").lower()),
        before_id=before,
        limit=ROWS + 1,
    )
    return wanted, [term.value for term in terms.terms if not term.field]


def transaction_list_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The list, and the queue of repairs."""

    @get("/ui/transactions", scope="read")
    async def transactions(
        request: AnyRequest, q: FromQuery[str] = "", before: FromQuery[int | None] = None
    ) -> Response[str] | Redirect:
        """Newest first; a number alone leads to that transaction."""
        if q.strip().isdecimal() and len(q.strip()) < 12:
            return Redirect(f"/ui/transactions/{int(q)}")
        wanted, words = wanted_of(q, before)
        found = list(await desk.core.transactions.list(wanted))
        has_more, found = len(found) > ROWS, found[:ROWS]
        columns = desk.extras.columns("transactions")
        cells = await cells_of(desk, columns, [str(each.id) for each in found])
        return desk.pages.respond(
            request,
            "transactions.html",
            title="Transactions",
            rows=list(zip(found, cells, strict=True)),
            columns=[column for _, column in columns],
            q=q,
            words=words,
            statuses=STATUSES,
            proposals=len(await desk.core.transactions.proposals(limit=100)),
            next="/ui/transactions" + query_of(q=q, before=found[-1].id) if has_more else "",
            first="/ui/transactions" + query_of(q=q) if before is not None else "",
        )

    @get("/ui/repairs", scope="read")
    async def repairs(request: AnyRequest) -> Response[str]:
        """What waits for somebody's decision."""
        service = desk.core.transactions
        return desk.pages.respond(
            request,
            "repairs.html",
            title="Repairs",
            proposals=await service.proposals(limit=100),
            unmatched=await service.unmatched_stops(limit=100),
            superseded=await service.list(TransactionFilter(status="superseded", limit=50)),
        )

    @post("/ui/repairs/{proposal_id:int}", scope="operate", status_code=303)
    async def decide(request: AnyRequest, proposal_id: FromPath[int]) -> Redirect:
        """Accept a proposal, or never see it again."""
        form = await request.form()
        service = desk.core.transactions
        take = service.accept if form.get("do") == "accept" else service.dismiss
        transaction = await take(proposal_id, actor=request.user)
        return back_to(f"/ui/transactions/{transaction.id}")

    return [transactions, repairs, decide]

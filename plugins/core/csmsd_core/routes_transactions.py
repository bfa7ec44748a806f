"""Transactions: list, look up, export (TX-37)."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from csmsd_core.folding import folded
from csmsd_core.hookspecs import Price
from csmsd_core.records import Reading, Stop, Transaction, TransactionStatus
from csmsd_core.routes_page import AnyRequest, Limit, Page, PathNumber, QueryNumber, link_after, refusals
from csmsd_core.transaction_queries import TransactionFilter
from csmsd_core.transactions import Transactions

COLUMNS = tuple(name for name in Transaction.__struct_fields__ if name != "flags")
RISKY = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # what a spreadsheet would take for a formula


class TransactionView(msgspec.Struct, frozen=True):
    """A transaction with what is worked out when it is asked for."""

    transaction: Transaction
    duration_seconds: int | None
    price: Price | None  # None: it is not stopped, or nobody knows
    stops: Sequence[Stop]  # all that were received, also those that do not count (TX-22, TX-40)


def to_csv(transactions: Iterable[Transaction]) -> str:
    """One line for each, with a head line; texts that a spreadsheet would run are disarmed by an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, "flags"])
    for transaction in transactions:
        cells = [_cell(getattr(transaction, name)) for name in COLUMNS]
        writer.writerow([*cells, _cell("; ".join(transaction.flags))])
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool() | int():
            return str(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case _:
            text = str(value).replace("\x00", "\ufffd")
            return f"'{text}" if text.startswith(RISKY) or text.lstrip().startswith(RISKY) else text


def transaction_routes(
    transactions: Transactions, price_of: Callable[[Transaction], Awaitable[Price | None]]
) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""

    @get("/transactions", scope="read", summary="List transactions", tags=["Transactions"])
    async def list_transactions(
        request: AnyRequest,
        station_id: FromQuery[str | None] = None,
        connector_id: QueryNumber = None,
        id_tag: FromQuery[str | None] = None,
        status: FromQuery[TransactionStatus | None] = None,
        started_since: FromQuery[datetime | None] = None,
        started_until: FromQuery[datetime | None] = None,
        format_: Annotated[
            Literal["json", "csv"] | None, QueryParameter(name="format", description="Or ask with `Accept: text/csv`.")
        ] = None,
        limit: Limit = 100,
        after: QueryNumber = None,
    ) -> Response[Any]:
        """Newest first. As CSV the page's `next` is in the Link header."""
        if any(moment is not None and moment.tzinfo is None for moment in (started_since, started_until)):
            raise HTTPException(detail="a moment needs a time zone: 2030-01-01T00:00:00Z", status_code=400)
        wanted = TransactionFilter(
            station_id=station_id,
            connector_id=connector_id,
            id_tag_key=None if id_tag is None else folded(id_tag),
            status=status,
            started_since=started_since,
            started_until=started_until,
            before_id=after,
            limit=limit,
        )
        found = await transactions.list(wanted)
        following = link_after(request, found[-1].id) if len(found) == limit else None
        accepts_csv = "text/csv" in request.headers.get("accept", "")
        if format_ == "csv" or (format_ is None and accepts_csv):
            headers = {"content-disposition": 'attachment; filename="transactions.csv"'}
            if following is not None:
                headers["link"] = f'<{following}>; rel="next"'
            return Response(to_csv(found), media_type="text/csv", headers=headers)
        return Response(Page(found, following))

    @get("/transactions/{transaction_id:int}", scope="read", summary="Look a transaction up", tags=["Transactions"])
    async def get_transaction(transaction_id: PathNumber) -> TransactionView:
        """With all its flags, every stop that was received for it, and what it costs (`price_transaction`)."""
        with refusals():
            found = await transactions.find(transaction_id)
        stops, price = await transactions.stops(transaction_id), await price_of(found)
        return TransactionView(found, found.duration_seconds, price, stops)

    @get("/transactions/{transaction_id:int}/meter-values", scope="read", summary="Meter values", tags=["Transactions"])
    async def get_meter_values(transaction_id: PathNumber) -> Page[Reading]:
        """All of them, in the order of their times, with values as sent and normalised (MV-07)."""
        with refusals():
            await transactions.find(transaction_id)
        return Page(await transactions.readings(transaction_id))

    return [list_transactions, get_transaction, get_meter_values]

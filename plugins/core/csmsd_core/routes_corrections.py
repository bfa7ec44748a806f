"""What only an operator may decide about transactions (TX-22, TX-24, TX-32, TX-41)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromQuery, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd_core.records import Proposal, Stop, Transaction
from csmsd_core.routes_page import AnyRequest, Limit, Number, Page, PathNumber, refusals
from csmsd_core.transactions import Transactions


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator knows of the end; meter_stop in Wh."""

    meter_stop: Number | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=50)] = "Other"


class SeparateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The start of a transaction whose stop came second for another one; meter_start in Wh."""

    started_at: Annotated[datetime, Meta(tz=True)]
    meter_start: Number
    id_tag: Annotated[str, Meta(min_length=1, max_length=20)]
    connector_id: Number | None = None


def correction_routes(transactions: Transactions) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""

    @post(
        "/transactions/{transaction_id:int}/close",
        scope="operate",
        summary="Close a transaction",
        tags=["Transactions"],
        status_code=200,
    )
    async def close(
        request: AnyRequest, transaction_id: PathNumber, data: JSONBody[CloseBody | None] = None
    ) -> Transaction:
        """Until the station's own StopTransaction arrives, whenever that is (TX-40)."""
        body = data or CloseBody()
        with refusals():
            return await transactions.close(
                transaction_id, actor=request.user, meter_stop=body.meter_stop, reason=body.reason
            )

    @post(
        "/transactions/{transaction_id:int}/reopen",
        scope="operate",
        summary="Reopen a transaction",
        tags=["Transactions"],
        status_code=200,
    )
    async def reopen(request: AnyRequest, transaction_id: PathNumber) -> Transaction:
        """Take a close, or the mark "superseded", back."""
        with refusals():
            return await transactions.reopen(transaction_id, actor=request.user)

    @get("/proposals", scope="read", summary="What waits for a decision", tags=["Transactions"])
    async def list_proposals(station_id: FromQuery[str | None] = None, limit: Limit = 100) -> Page[Proposal]:
        """Stops, or readings without an id, that may belong to a transaction; oldest first."""
        return Page(await transactions.proposals(station_id, limit))

    @post(
        "/proposals/{proposal_id:int}/accept",
        scope="operate",
        summary="Accept a proposal",
        tags=["Transactions"],
        status_code=200,
    )
    async def accept(request: AnyRequest, proposal_id: PathNumber) -> Transaction:
        """The stop, or the readings, belong to the transaction."""
        with refusals():
            return await transactions.accept(proposal_id, actor=request.user)

    @post(
        "/proposals/{proposal_id:int}/dismiss",
        scope="operate",
        summary="Dismiss a proposal",
        tags=["Transactions"],
        status_code=200,
    )
    async def dismiss(request: AnyRequest, proposal_id: PathNumber) -> Transaction:
        """Never propose that again."""
        with refusals():
            return await transactions.dismiss(proposal_id, actor=request.user)

    @get("/unmatched-stops", scope="read", summary="Stops without a transaction", tags=["Transactions"])
    async def list_unmatched(station_id: FromQuery[str | None] = None, limit: Limit = 100) -> Page[Stop]:
        """Newest first (TX-24, TX-25)."""
        return Page(await transactions.unmatched_stops(station_id, limit))

    @post(
        "/stops/{stop_id:int}/separate", scope="operate", summary="Separate a conflicting stop", tags=["Transactions"]
    )
    async def separate(request: AnyRequest, stop_id: PathNumber, data: JSONBody[SeparateBody]) -> Transaction:
        """Make a transaction of its own of a stop that came second (TX-22)."""
        with refusals():
            return await transactions.separate(
                stop_id,
                actor=request.user,
                started_at=data.started_at,
                meter_start=data.meter_start,
                id_tag=data.id_tag,
                connector_id=data.connector_id,
            )

    return [close, reopen, list_proposals, accept, dismiss, list_unmatched, separate]

"""Id tags: list, put, delete (AUTH-12, OPS-03)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar import delete, get, put
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.env import Env
from csmsd_core.routes_page import AnyRequest, Limit, Page, link_after, refusals
from csmsd_core.tags import Tag, Tags

Status = Literal["Accepted", "Blocked", "Expired", "Invalid"]
NO_INVALID = "a tag that csmsd does not know is Invalid: delete it to make it so"


class TagView(msgspec.Struct, frozen=True):
    """An id tag and what stations are told of it now."""

    id_tag: str
    status: Status
    expiry_date: datetime | None
    parent_id_tag: str | None
    max_active_transactions: int | None
    note: str
    created_at: datetime | None
    changed_at: datetime | None


class TagBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tag: what is left out gets its default. `Expired` without `expiry_date` means since now."""

    status: Status = "Accepted"
    expiry_date: Annotated[datetime, Meta(tz=True)] | None = None
    parent_id_tag: str | None = None
    max_active_transactions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    note: str = ""


def view_of(tag: Tag, now: datetime) -> TagView:
    """A tag as the API shows it."""
    is_expired = tag.status == "Accepted" and tag.expires_at is not None and tag.expires_at <= now
    return TagView(
        tag.id_tag,
        "Expired" if is_expired else tag.status,
        tag.expires_at,
        tag.parent_id_tag or None,
        tag.max_active_transactions,
        tag.note,
        tag.created_at,
        tag.changed_at,
    )


def tag_of(id_tag: str, body: TagBody, now: datetime) -> Tag:
    """What is stored for a body; HTTPException 422 for what contradicts itself."""
    if body.status == "Invalid":
        raise HTTPException(detail=NO_INVALID, status_code=422)
    expires_at = body.expiry_date
    if body.status == "Expired":
        expires_at = expires_at or now
        if expires_at > now:
            raise HTTPException(detail="status Expired and an expiry_date that is still ahead", status_code=422)
    return Tag(
        id_tag,
        "Blocked" if body.status == "Blocked" else "Accepted",
        body.parent_id_tag or "",
        expires_at,
        body.max_active_transactions,
        body.note,
    )


def tag_routes(tags: Tags, env: Env) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""

    @get("/tags", scope="read", summary="List id tags", tags=["Id tags"])
    async def list_tags(
        request: AnyRequest,
        prefix: Annotated[str, QueryParameter(description="How the tag begins, in any case.")] = "",
        limit: Limit = 100,
        after: FromQuery[str] = "",
    ) -> Page[TagView]:
        """In the order of their texts, whatever the case."""
        found = await tags.page(after=after, prefix=prefix, limit=limit)
        following = link_after(request, found[-1].id_tag) if len(found) == limit else None
        return Page([view_of(tag, env.now()) for tag in found], following)

    @get("/tags/{id_tag:str}", scope="read", summary="Look an id tag up", tags=["Id tags"])
    async def get_tag(id_tag: FromPath[str]) -> TagView:
        """In any spelling (AUTH-03)."""
        with refusals():
            return view_of(tags.get(id_tag), env.now())

    @put("/tags/{id_tag:str}", scope="operate", summary="Create or replace an id tag", tags=["Id tags"])
    async def put_tag(request: AnyRequest, id_tag: FromPath[str], data: JSONBody[TagBody]) -> TagView:
        """In force when the answer arrives (AUTH-12)."""
        with refusals():
            stored = await tags.put(tag_of(id_tag, data, env.now()), actor=request.user)
        return view_of(stored, env.now())

    @delete("/tags/{id_tag:str}", scope="operate", summary="Forget an id tag", tags=["Id tags"])
    async def delete_tag(request: AnyRequest, id_tag: FromPath[str]) -> None:
        """It is Invalid from then on."""
        with refusals():
            await tags.delete(id_tag, actor=request.user)

    return [list_tags, get_tag, put_tag, delete_tag]

"""Id tags: who may charge, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd_core import InvalidTag, Tag, TransactionFilter
from csmsd_core.folding import folded
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of, segment
from csmsd_ui.targets import back_to

ROWS = 50


def tag_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """List, look, change, forget."""

    @get("/ui/tags", scope="read")
    async def tags(request: AnyRequest, q: FromQuery[str] = "", after: FromQuery[str] = "") -> Response[str]:
        """By their texts; `q` is how one begins."""
        found = list(await desk.core.tags.page(after=after, prefix=q.strip(), limit=ROWS + 1))
        has_more, found = len(found) > ROWS, found[:ROWS]
        return desk.pages.respond(
            request,
            "tags.html",
            title="Tags",
            rows=found,
            q=q,
            total=len(desk.core.tags),
            next="/ui/tags" + query_of(q=q, after=found[-1].id_tag) if has_more else "",
            first="/ui/tags" + query_of(q=q) if after else "",
        )

    @get("/ui/tags/{id_tag:str}", scope="read")
    async def tag(request: AnyRequest, id_tag: FromPath[str]) -> Response[str]:
        """One, known or not: stations may have shown it before anybody added it."""
        found = desk.core.tags.find(id_tag)
        lately = await desk.core.transactions.list(TransactionFilter(id_tag_key=folded(id_tag), limit=20))
        return desk.pages.respond(
            request,
            "tag.html",
            title=f"Tag {id_tag}",
            id_tag=id_tag if found is None else found.id_tag,
            tag=found,
            rows=[(each, []) for each in lately],
            columns=[],
        )

    @post("/ui/tags", scope="operate", status_code=303)
    async def add(request: AnyRequest) -> Redirect:
        """A new one, or another state of one that is known."""
        form = await request.form()
        wanted = _tag_of({name: str(value).strip() for name, value in form.items()})
        try:
            stored = await desk.core.tags.put(wanted, actor=request.user)
        except InvalidTag as error:
            raise HTTPException(detail=str(error), status_code=422) from None
        return back_to(f"/ui/tags/{segment(stored.id_tag)}")

    @post("/ui/tags/{id_tag:str}/forget", scope="operate", status_code=303)
    async def forget(request: AnyRequest, id_tag: FromPath[str]) -> Redirect:
        """It is Invalid from then on."""
        await desk.core.tags.delete(id_tag, actor=request.user)
        return back_to("/ui/tags")

    return [tags, tag, add, forget]


def _tag_of(form: dict[str, str]) -> Tag:
    expires_at = None
    if form.get("expires_at"):
        try:
            expires_at = datetime.fromisoformat(form["expires_at"])
        except ValueError:
            expires_at = None
        if expires_at is None or expires_at.tzinfo is None:
            raise HTTPException(detail="Valid until needs a time such as 2030-01-01T00:00:00Z.", status_code=422)
    limit = form.get("limit", "")
    if limit and not (limit.isdecimal() and 0 < len(limit) < 10):
        raise HTTPException(detail="The most sessions at a time is a whole number.", status_code=422)
    status: Literal["Accepted", "Blocked"] = "Blocked" if form.get("status") == "Blocked" else "Accepted"
    return Tag(
        form.get("id_tag", ""),
        status,
        form.get("group", ""),
        expires_at,
        int(limit) if limit else None,
        form.get("note", ""),
    )

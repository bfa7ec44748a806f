"""Pages: `?limit=&after=`, and the link to the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request
from litestar.params import QueryParameter

Item = TypeVar("Item")

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many items at most.")]
After = Annotated[str | None, QueryParameter(description="Where the page before ended: follow its `next`.")]
AfterNumber = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1, description="As `after` elsewhere.")]


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A part of a list, and the path of the next part; null at the end."""

    items: Sequence[Item]
    next: str | None = None


def link_after(request: Request[Any, Any, Any], after: str | int) -> str:
    """The path and query of the page behind `after`, with the same filter."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return f"{request.url.path}?{urlencode([*pairs, ('after', str(after))])}"

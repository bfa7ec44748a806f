"""What the routes share: pages, and refusals as HTTP statuses."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from csmsd.errors import CsmsdError
from csmsd_core.corrections import NotPossible, UnknownProposal, UnknownTransaction
from csmsd_core.tags import InvalidTag, UnknownTag

Item = TypeVar("Item")
AnyRequest = Request[Any, Any, Any]

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many items at most.")]
INT64 = 2**63 - 1
Number = Annotated[int, Meta(ge=-INT64, le=INT64)]
PathNumber = Annotated[int, PathParameter(ge=-INT64, le=INT64)]
QueryNumber = Annotated[int | None, QueryParameter(ge=-INT64, le=INT64)]
STATUS: dict[type[CsmsdError], int] = {
    UnknownTag: 404,
    UnknownTransaction: 404,
    UnknownProposal: 404,
    InvalidTag: 422,
    NotPossible: 409,
}


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A part of a list, and the path of the next part; null at the end."""

    items: Sequence[Item]
    next: str | None = None


def link_after(request: AnyRequest, after: str | int) -> str:
    """The path and query of the page behind `after`, with the same filter."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return f"{request.url.path}?{urlencode([*pairs, ('after', str(after))])}"


@contextmanager
def refusals() -> Generator[None]:
    """What the services refuse becomes an answer with a status of its own."""
    try:
        yield
    except CsmsdError as refusal:
        status = STATUS.get(type(refusal))
        if status is None:
            raise
        raise HTTPException(detail=str(refusal), status_code=status) from None

"""What the routes share."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException
from msgspec import Meta

from csmsd.errors import CsmsdError
from csmsd_smartcharging.builder import InvalidProfile
from csmsd_smartcharging.ratings import InvalidRating
from csmsd_smartcharging.rendering import NotRenderable
from csmsd_smartcharging.schedules import InvalidQuery
from csmsd_smartcharging.sites import InvalidSite, UnknownSite
from csmsd_smartcharging.templates import UnknownTemplate

Item = TypeVar("Item")
AnyRequest = Request[Any, Any, Any]
TAG = "Smart Charging"
Connector = Annotated[int, Meta(ge=0, le=2**31 - 1)]
STATUS: dict[type[CsmsdError], int] = {
    InvalidProfile: 422,
    InvalidQuery: 422,
    InvalidRating: 422,
    InvalidSite: 422,
    NotRenderable: 409,
    UnknownSite: 404,
    UnknownTemplate: 404,
}


class Listing(msgspec.Struct, Generic[Item], frozen=True):
    """A whole list."""

    items: Sequence[Item]
    next: None = None


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

"""API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from csmsd_web.paging import Page
from csmsd_web.principals import Scope
from csmsd_web.tokens import Token, Tokens


class TokenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token that is wanted; without `expires_at` it is good until it is revoked."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scope: Scope = "read"
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    user: str | None = None  # whose it is: good while he may come in, for no more than his role allows


class NewToken(msgspec.Struct, frozen=True):
    """A new token; `text` is shown this once."""

    token: Token
    text: str


@get("/tokens", scope="admin", summary="List API tokens", tags=["Access"])
async def list_tokens(tokens: NamedDependency[Tokens]) -> Page[Token]:
    """The oldest first; their texts cannot be shown."""
    return Page(tokens.all())


@post("/tokens", scope="admin", summary="Create an API token", tags=["Access"])
async def create_token(
    request: Request[Any, Any, Any], tokens: NamedDependency[Tokens], data: JSONBody[TokenBody]
) -> NewToken:
    """The answer holds the token; nobody can read it again."""
    token, text = await tokens.mint(
        data.name, data.scope, actor=request.user, expires_at=data.expires_at, user=data.user
    )
    return NewToken(token, text)


@delete("/tokens/{token_id:str}", scope="admin", summary="Revoke an API token", tags=["Access"])
async def revoke_token(
    request: Request[Any, Any, Any], tokens: NamedDependency[Tokens], token_id: FromPath[str]
) -> None:
    """It is no good from now on."""
    await tokens.revoke(token_id, actor=request.user)


ROUTES = [list_tokens, create_token, revoke_token]

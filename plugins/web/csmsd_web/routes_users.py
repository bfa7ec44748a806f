"""Users: list, add, change, remove; passwords and one-time links."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from csmsd_web.links import Links, path_of
from csmsd_web.paging import Page
from csmsd_web.principals import Role
from csmsd_web.users import User, Users

Password = Annotated[str, Meta(min_length=1, max_length=1000)]


class UserBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user that is wanted; without a password he needs a one-time link."""

    name: str
    role: Role = "viewer"
    password: Password | None = None


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays."""

    role: Role | None = None
    is_disabled: bool | None = None


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new password."""

    password: Password


class NewLink(msgspec.Struct, frozen=True):
    """A one-time link; `text` is shown this once, `path` is where a browser uses it."""

    user: str
    text: str
    path: str
    url: str  # "" unless `public_url` is set
    expires_at: datetime


@get("/users", scope="admin", summary="List users", tags=["Access"])
async def list_users(users: NamedDependency[Users]) -> Page[User]:
    """By name."""
    return Page(users.all())


@get("/users/{name:str}", scope="admin", summary="Look a user up", tags=["Access"])
async def get_user(users: NamedDependency[Users], name: FromPath[str]) -> User:
    """Role and times, never the password."""
    return users.get(name)


@post("/users", scope="admin", summary="Add a user", tags=["Access"])
async def add_user(request: Request[Any, Any, Any], users: NamedDependency[Users], data: JSONBody[UserBody]) -> User:
    """Names are kept in lower case."""
    return await users.add(data.name, data.role, password=data.password, actor=request.user)


@put("/users/{name:str}", scope="admin", summary="Change a user", tags=["Access"])
async def change_user(
    request: Request[Any, Any, Any], users: NamedDependency[Users], name: FromPath[str], data: JSONBody[UserChange]
) -> User:
    """Another role, or shut out; either ends the user's sessions. The last administrator stays one."""
    return await users.change(name, role=data.role, is_disabled=data.is_disabled, actor=request.user)


@delete("/users/{name:str}", scope="admin", summary="Remove a user", tags=["Access"])
async def remove_user(request: Request[Any, Any, Any], users: NamedDependency[Users], name: FromPath[str]) -> None:
    """His sessions, tokens and links are no good from now on."""
    await users.remove(name, actor=request.user)


@put("/users/{name:str}/password", scope="admin", summary="Set a user's password", tags=["Access"])
async def set_password(
    request: Request[Any, Any, Any], users: NamedDependency[Users], name: FromPath[str], data: JSONBody[PasswordBody]
) -> User:
    """Every session of the user ends."""
    return await users.set_password(name, data.password, actor=request.user)


@post("/users/{name:str}/link", scope="admin", summary="Make a one-time link for a user", tags=["Access"])
async def make_link(request: Request[Any, Any, Any], links: NamedDependency[Links], name: FromPath[str]) -> NewLink:
    """With it the user chooses his password; an older one is no good any more."""
    text = await links.for_user(name, actor=request.user)
    return NewLink(name.lower(), text, path_of(text), links.url_of(text, ""), links.get(text).expires_at)


ROUTES = [list_users, get_user, add_user, change_user, remove_user, set_password, make_link]

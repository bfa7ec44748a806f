"""What the web plugin asks others. Implement it with `@hookimpl(optionalhook=True)`: that works without it too."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Controller, Router
from litestar.handlers import BaseRouteHandler

from csmsd.hookspecs import hookspec


@hookspec(colour="plain")
def web_routes() -> Sequence[type[Controller] | BaseRouteHandler | Router]:
    """Asked when the web plugin starts, and again when the set of enabled plugins has changed.

    Return Litestar handlers, controllers or routers; they are mounted under `/api/v1`. Each handler declares who may
    use it: `scope="read"`, `"operate"`, `"admin"`, `"own"` (anybody who is known) or `"public"`; one without a scope is
    refused to everybody. Handlers find the name of whoever calls in `request.user`, for the audit, more about him with
    `csmsd_web.principals.principal_of(request)`, and may ask for `host: Host` as a dependency.
    Unknown fields of a body with `forbid_unknown_fields` are reported with the nearest known name. Raise
    `litestar.exceptions.HTTPException`, or any `csmsd.errors.CsmsdError`, for an answer in problem+json. If you raise
    here your routes are missing. Called each time.
    """
    raise AssertionError


@hookspec(colour="plain")
def web_pages() -> Sequence[type[Controller] | BaseRouteHandler | Router]:
    """Asked like `web_routes`, for what people open in a browser instead of what programs call.

    Return handlers whose paths are whole: nothing is put in front of them, and they are in no OpenAPI document. Scopes
    and dependencies are those of `web_routes`. A router of yours may have exception handlers, for errors as pages. Who
    answers `/` replaces the way from there to the documentation. If you raise here your pages are missing. Called each
    time.
    """
    raise AssertionError

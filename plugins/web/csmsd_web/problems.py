"""Errors as RFC 9457 problem+json, whatever went wrong and wherever."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, get_args

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException, ValidationException

from csmsd import errors
from csmsd.env import Env
from csmsd.errors import CsmsdError
from csmsd.facts import NotTaken, UnknownFact
from csmsd_web import refusals

log = logging.getLogger("csmsd.web")

MEDIA_TYPE = "application/problem+json"
NAMESPACE = "urn:csmsd:"
NO_SUCH_PATH = "there is no such path here, or the plugin that has it is not enabled: see /api/v1/plugins"
UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")

# The first class that fits counts.
STATUS: tuple[tuple[type[CsmsdError], int, str], ...] = (
    (errors.UnknownStation, 404, "unknown-station"),
    (errors.UnknownCommand, 404, "unknown-command"),
    (errors.PluginNotFound, 404, "unknown-plugin"),
    (UnknownFact, 404, "unknown-fact"),
    (NotTaken, 502, "fact-not-taken"),
    (errors.InvalidStation, 422, "invalid-station"),
    (errors.InvalidPayload, 422, "invalid-payload"),
    (errors.CommandConflict, 422, "idempotency-key-reused"),
    (errors.StationUnavailable, 409, "station-offline"),
    (errors.CallRefused, 403, "command-refused"),
    (errors.CallFailed, 502, "call-error"),
    (errors.InvalidResponse, 502, "invalid-response"),
    (errors.CallTimeout, 504, "call-timeout"),
    (errors.WriteFailed, 422, "not-storable"),
    (errors.StoreError, 503, "storage-unavailable"),
    (errors.PluginError, 409, "plugin-refused"),
    (refusals.UnknownUser, 404, "unknown-user"),
    (refusals.UnknownToken, 404, "unknown-token"),
    (refusals.UnknownSession, 404, "unknown-session"),
    (refusals.UserExists, 409, "user-exists"),
    (refusals.InvalidUser, 422, "invalid-user"),
    (refusals.LastAdministrator, 409, "last-administrator"),
    (refusals.LoginRefused, 401, "login-refused"),
    (refusals.LoginThrottled, 429, "login-throttled"),
    (refusals.LinkRefused, 403, "link-refused"),
    (CsmsdError, 409, "not-possible"),
)


class Problem(HTTPException):
    """An answer in problem+json: status, the kind for programs, one sentence for people."""

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail=detail, status_code=status, headers=headers)
        self.kind, self.more = kind, more


def problem_of(request: Request[Any, Any, Any], error: Exception, env: Env) -> Response[bytes]:
    """The answer to a request that ended with an exception."""
    match error:
        case Problem():
            return _response(error.status_code, error.kind, error.detail, error.headers, error.more)
        case ValidationException():
            return _invalid(request, error)
        case NotFoundException():  # of the router: our own say themselves what is not there
            return _response(404, "not-found", NO_SUCH_PATH)
        case HTTPException() if error.status_code < 500:
            return _response(error.status_code, _kind(error.status_code), error.detail, error.headers)
        case CsmsdError():
            status, kind = next((status, kind) for type_, status, kind in STATUS if isinstance(error, type_))
            headers = {"retry-after": str(error.whole_seconds)} if isinstance(error, refusals.LoginThrottled) else None
            return _response(status, kind, str(error), headers)
        case _:
            id_ = env.new_id()
            log.error("%s %s failed (%s)", request.method, request.url.path, id_, exc_info=error)
            return _response(500, "bug", f"csmsd failed; its log has the reason under {id_}")


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """A body, or a parameter, that does not fit its type: where and why, and the nearest known name."""
    found: list[dict[str, Any]] = [each for each in error.extra or () if isinstance(each, dict)]
    faults = [
        {
            "where": "" if each.get("key") == "data" else str(each.get("key", "")),
            "in": str(getattr(each.get("source"), "value", each.get("source", ""))),
            "why": _with_nearest(request, str(each.get("message", ""))),
        }
        for each in found
    ]
    in_body = not faults or any(fault["in"] in ("body", "") for fault in faults)
    sentences = "; ".join(f"{fault['where']}: {fault['why']}" if fault["where"] else fault["why"] for fault in faults)
    detail = sentences or error.detail
    return _response(422 if in_body else 400, "invalid-request", detail, None, {"errors": faults})


def _with_nearest(request: Request[Any, Any, Any], message: str) -> str:
    match = UNKNOWN_FIELD.search(message)
    field = request.route_handler.parsed_data_field
    if match is None or field is None:
        return message
    known = sorted(_names_in(field.annotation))
    near = get_close_matches(match["name"], known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown field {match['name']!r}; {advice}"


def _names_in(type_: Any) -> set[str]:
    """The names of all fields of a Struct, and of the Structs in it."""
    names: set[str] = set()
    waiting: list[Any] = [type_]
    seen: set[Any] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one not in seen:
            seen.add(one)
            for field in msgspec.structs.fields(one):
                names.add(field.encode_name)
                waiting.append(field.type)
        waiting.extend(get_args(one))
    return names


def _kind(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")


def _response(
    status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
) -> Response[bytes]:
    title = HTTPStatus(status).phrase
    body = {"type": NAMESPACE + kind, "title": title, "status": status, "detail": detail, **(more or {})}
    return Response(msgspec.json.encode(body), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))

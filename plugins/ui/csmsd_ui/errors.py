"""Errors as pages: what happened and where the log has more; as a note in its place for a request of htmx.

Whoever asks for no HTML is a program, and gets problem+json.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from csmsd.errors import CsmsdError
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import Pages, query_of
from csmsd_web.problems import STATUS, problem_of

log = logging.getLogger("csmsd.plugin.ui")


def explainer(pages: Pages) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """The exception handler of all pages."""

    def explain(request: AnyRequest, error: Exception) -> Response[Any]:
        if not _is_partial(request) and "text/html" not in request.headers.get("accept", ""):
            return problem_of(request, error, pages.host.env)
        status, detail, id_ = _told(error), "", ""
        if status == 401 and request.method == "GET" and not _is_partial(request):
            return Redirect("/ui/sign-in" + query_of(next=request.url.path))
        if status < 500 and isinstance(error, (HTTPException, CsmsdError)):
            detail = str(getattr(error, "detail", "") or error)
        elif isinstance(error, CsmsdError):
            detail = str(error)
        else:
            id_ = pages.host.env.new_id()
            log.error("%s %s failed (%s)", request.method, request.url.path, id_, exc_info=error)
            detail = "This is a fault of csmsd."
        title = HTTPStatus(status).phrase
        if _is_partial(request):
            return pages.answer(request, "error_part.html", status=status, title=title, detail=detail, id=id_)
        return pages.respond(request, "error.html", title=title, status=status, detail=detail, id=id_)

    return explain


def _told(error: Exception) -> int:
    match error:
        case HTTPException():
            return error.status_code
        case CsmsdError():
            return next(status for type_, status, _ in STATUS if isinstance(error, type_))
        case _:
            return 500


def _is_partial(request: AnyRequest) -> bool:
    return request.headers.get("hx-request") == "true"

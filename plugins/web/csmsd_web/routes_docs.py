"""The documentation: OpenAPI, and Swagger UI from our own files; nothing is asked of any other machine."""

from __future__ import annotations

from importlib.resources import files

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from csmsd_web.openapi import Documents
from csmsd_web.problems import Problem

# Swagger UI draws its icons from data: URLs in its style sheet.
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HTML, SCRIPT, STYLE = "text/html", "text/javascript", "text/css"
FILES = {
    "swagger-ui.css": ("vendor/swagger-ui/swagger-ui.css", STYLE),
    "swagger-ui-bundle.js": ("vendor/swagger-ui/swagger-ui-bundle.js", SCRIPT),
    "start.js": ("docs/start.js", SCRIPT),
}


def _file(path: str, media_type: str) -> Response[bytes]:
    content = files("csmsd_web").joinpath("static", path).read_bytes()
    headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
    return Response(content, media_type=media_type, headers=headers)


@get("/", scope="public", include_in_schema=False)
async def front_page() -> Redirect:
    """Whoever types the bare address finds the documentation."""
    return Redirect("/api/docs")


@get("/openapi.json", scope="public", include_in_schema=False)
async def openapi(documents: NamedDependency[Documents]) -> Response[bytes]:
    """Everything that can be asked, with the payloads of the commands of the plugins that are enabled."""
    return Response(await documents.openapi(), media_type="application/json", headers={"cache-control": "no-cache"})


@get("/docs", scope="public", include_in_schema=False)
async def docs() -> Response[bytes]:
    """The same for people."""
    return _file("docs/index.html", HTML)


@get("/docs/{name:str}", scope="public", include_in_schema=False)
async def docs_file(name: FromPath[str]) -> Response[bytes]:
    """Scripts and styles of the page."""
    if name not in FILES:
        raise Problem(404, "not-found", f"there is no file {name}")
    return _file(*FILES[name])


ROUTES = [openapi, docs, docs_file]

"""Style sheet, scripts and glyphs: read once, named by a hash of all of them, kept by browsers for ever."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from csmsd_web.problems import Problem

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain; charset=utf-8",
}


class Assets:
    """The static files of the pages."""

    def __init__(self) -> None:
        self._files = dict(_walk(files("csmsd_ui").joinpath("static"), ""))
        digest = hashlib.sha256()
        for name, content in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + content)
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """Where a file is; KeyError for one that is not there, which a template finds out when it is tested."""
        if name not in self._files:
            raise KeyError(f"there is no static file {name}")
        return f"/ui/static/{self.version}/{name}"

    def handler(self) -> HTTPRouteHandler:
        """The route that serves them."""

        @get("/ui/static/{version:str}/{name:path}", scope="public", include_in_schema=False)
        async def static_file(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
            """One file; of another version than ours it may be another one, so it is not kept."""
            content = self._files.get(str(name).lstrip("/"))
            kind = TYPES.get(str(name).rpartition("/")[2].rpartition(".")[2])
            if content is None or kind is None:
                raise Problem(404, "not-found", f"there is no file {name}")
            lasting = "public, max-age=31536000, immutable" if version == self.version else "no-store"
            return Response(content, media_type=kind, headers={"cache-control": lasting})

        return static_file


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found

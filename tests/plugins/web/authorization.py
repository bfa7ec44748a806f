"""The routes of a csmsd, and the table that says who may use them: `python -m tests.plugins.web.authorization`.

`authorization.txt` has a row for every route of every built-in plugin: method, path, scope. A route without a row, or
with another scope than its row says, fails; so does a row without a route. Look at what you add there: it is the one
place where somebody decides who may do what. The command prints the table as the routes are now.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import trio
from litestar import Litestar
from litestar.routes import ASGIRoute, HTTPRoute

from csmsd.config import Config
from csmsd.testing import TestCsms, open_test_csms
from csmsd_web import WebPlugin

TABLE = Path(__file__).with_name("authorization.txt")
BUILT_IN: tuple[Any, ...] = Config().plugins


class Row(NamedTuple):
    """A route, and who may use it."""

    method: str
    path: str
    scope: str


def handlers_of(web: WebPlugin) -> Iterator[tuple[str, str, Any]]:
    """Method, path and handler of everything that can be asked."""
    app = web.app.current()
    assert isinstance(app, Litestar)
    for route in app.routes:
        if isinstance(route, ASGIRoute):
            yield "ANY", route.path, route.route_handler
            continue
        assert isinstance(route, HTTPRoute), route.path
        for method, (handler, _) in route.route_handler_map.items():
            if method != "OPTIONS":
                yield method, route.path, handler


def routes_of(csms: TestCsms) -> set[Row]:
    """Every route as it is declared."""
    web = csms.host.plugins.get("web")
    assert isinstance(web, WebPlugin)
    return {Row(method, path, str(handler.opt.get("scope"))) for method, path, handler in handlers_of(web)}


def table() -> set[Row]:
    """Every row that somebody has decided."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return {Row(method, path, scope) for scope, method, path in lines}


def lines(rows: set[Row]) -> list[str]:
    by_path = sorted(rows, key=lambda row: (row.path, row.method))
    return [f"{row.scope:<8} {row.method:<7} {row.path}" for row in by_path]


async def _print() -> None:
    async with open_test_csms(plugins=BUILT_IN) as csms:
        print("\n".join(lines(routes_of(csms))))


if __name__ == "__main__":
    trio.run(_print)

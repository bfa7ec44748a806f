"""What runs: the configuration in force, with secrets told as set; where it listens and stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from csmsd.config import Config
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest

SECRET = ("password", "secret", "key", "token")


def settings_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """One page."""

    @get("/ui/settings", scope="admin")
    async def settings(request: AnyRequest) -> Response[str]:
        """The whole configuration; what differs from the default is marked."""
        config = desk.host.config
        defaults = dict(_flat(Config(), ""))
        rows = [(key, text, defaults.get(key) != text) for key, text in _flat(config, "")]
        return desk.pages.respond(
            request,
            "settings.html",
            title="Settings",
            version=version("csmsd"),
            rows=rows,
            urls=desk.host.ocpp_urls,
            http=desk.web.http_url,
            dialect=desk.host.store.dialect,
            is_ready=desk.host.is_ready,
            panels=await desk.panels(request, "settings"),
        )

    return [settings]


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every key with its value as text; whatever may be a secret is only said to be set."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _flat(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, Mapping):
        for name, each in value.items():  # pyright: ignore[reportUnknownVariableType]: JSON has no types
            yield from _flat(each, f"{key}.{name}")
    else:
        yield key, _told(key, value)


def _told(key: str, value: Any) -> str:
    last = key.rpartition(".")[2]
    if value and isinstance(value, str) and any(word in last for word in SECRET):
        return f"set, {len(value)} characters"
    if isinstance(value, str) and "://" in value and "@" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://…@{rest.rpartition('@')[2]}"
    if isinstance(value, (tuple, list)):
        items = cast("Sequence[Any]", value)
        return ", ".join(getattr(each, "name", None) or str(each) for each in items)
    return str(value)

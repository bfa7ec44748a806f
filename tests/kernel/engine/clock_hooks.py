"""The hook of a plugin that is alone in its csmsd."""

from __future__ import annotations

from typing import Any

from csmsd.hookspecs import hookspec


@hookspec(colour="either")
def tell_time(station: Any, request: Any, arrival: Any) -> Any:
    """Asked for every Heartbeat."""
    raise AssertionError

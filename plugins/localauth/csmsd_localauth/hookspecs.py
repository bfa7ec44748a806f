"""The hook that Local Auth List Management offers others."""

from __future__ import annotations

from collections.abc import Sequence

from csmsd.hookspecs import hookspec
from csmsd.station import Station
from csmsd_localauth.messages import AuthorizationData


@hookspec()
async def local_list_entries(station: Station) -> Sequence[AuthorizationData] | None:
    """Asked when a station's list is put together: what belongs into it besides the operator's id tags.

    Return entries with information, or None; an entry replaces the operator's of the same id tag. If you raise or are
    slow your entries are missing. Called for every synchronisation.
    """

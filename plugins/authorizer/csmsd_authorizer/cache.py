"""The backend's last yes to each tag at each station, for a short while. A no is asked for again each time."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from csmsd_core import IdTagInfo
from csmsd_core.folding import folded

Key = tuple[str, str]  # station, folded id tag: a backend may decide station by station


def key_of(station_id: str, id_tag: str) -> Key:
    """Id tags compare without regard to case (AUTH-03)."""
    return station_id, folded(id_tag)


class Cache:
    """Accepted ones only, so many at most; who was stored longest ago makes room."""

    def __init__(self, ttl: float, size: int) -> None:
        self._ttl, self._size = timedelta(seconds=ttl), size
        self._kept: OrderedDict[Key, tuple[IdTagInfo, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Key, now: datetime) -> IdTagInfo | None:
        """What was answered, if it still counts."""
        info, until = self._kept.get(key, (None, now))
        if info is not None and until <= now:
            del self._kept[key]
            return None
        return info

    def put(self, key: Key, info: IdTagInfo | None, now: datetime) -> None:
        """Keep a yes, no longer than the tag itself is good; anything else ends what was kept."""
        self._kept.pop(key, None)
        if info is None or info.status != "Accepted" or not self._ttl:
            return
        until = now + self._ttl
        self._kept[key] = info, until if info.expiry_date is None else min(until, info.expiry_date)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

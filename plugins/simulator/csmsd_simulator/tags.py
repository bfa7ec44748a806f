"""What the station knows about id tags by itself: the authorization cache and the local list (1.6 §3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from csmsd_core.messages import IdTagInfo
from csmsd_simulator.messages import AuthorizationData

UNKNOWN = IdTagInfo("Invalid")


def _key(id_tag: str) -> str:
    return id_tag.casefold()


class KnownTags:
    """The local list comes before the cache (1.6 §3.5.3)."""

    def __init__(self) -> None:
        self.version = 0
        self._list: dict[str, IdTagInfo] = {}
        self._cache: dict[str, IdTagInfo] = {}

    def __len__(self) -> int:
        """How many the local list has."""
        return len(self._list)

    def verdict(self, id_tag: str, now: datetime, *, uses_list: bool, uses_cache: bool) -> IdTagInfo | None:
        """What is known of a tag; None: nothing."""
        info = self._list.get(_key(id_tag)) if uses_list else None
        if info is None and uses_cache:
            info = self._cache.get(_key(id_tag))
        if info is not None and info.expiry_date is not None and info.expiry_date <= now and info.status == "Accepted":
            return IdTagInfo("Expired")
        return info

    def remember(self, id_tag: str, info: IdTagInfo) -> None:
        """The central system has said so; what is in the local list is not cached."""
        if _key(id_tag) not in self._list:
            self._cache[_key(id_tag)] = info

    def clear_cache(self) -> None:
        """Forget what was remembered."""
        self._cache.clear()

    def replace_list(self, version: int, entries: Sequence[AuthorizationData]) -> None:
        """A full update."""
        self._list.clear()
        self.update_list(version, entries)

    def update_list(self, version: int, entries: Sequence[AuthorizationData]) -> None:
        """A differential update: entries without idTagInfo are removed."""
        for entry in entries:
            if entry.id_tag_info is None:
                self._list.pop(_key(entry.id_tag), None)
            else:
                self._list[_key(entry.id_tag)] = entry.id_tag_info
                self._cache.pop(_key(entry.id_tag), None)
        self.version = version

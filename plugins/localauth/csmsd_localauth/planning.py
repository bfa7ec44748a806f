"""From what a list should contain to messages, in pieces that stations can take (LAL-03 … LAL-07)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from csmsd_core import IdTagInfo, Tag
from csmsd_localauth.ledger import folded
from csmsd_localauth.messages import AuthorizationData, UpdateType

Entries = Mapping[str, AuthorizationData]  # by folded id tag


class Piece(msgspec.Struct, frozen=True):
    """One message, but for its version."""

    update_type: UpdateType
    entries: tuple[AuthorizationData, ...]


def entry_of(tag: Tag, now: datetime) -> AuthorizationData:
    """An id tag of the operator, as stations are told of it (LAL-10, AUTH-04)."""
    is_expired = tag.status == "Accepted" and tag.expires_at is not None and tag.expires_at <= now
    status = "Expired" if is_expired else tag.status
    return AuthorizationData(tag.id_tag, IdTagInfo(status, tag.expires_at, tag.parent_id_tag or None))


def desired_entries(
    tags: Iterable[Tag], added: Iterable[Sequence[AuthorizationData]], now: datetime
) -> dict[str, AuthorizationData]:
    """The operator's id tags, then what plugins add; ConcurrentTx is a matter of the moment, not of a list (LAL-10)."""
    wanted = {folded(tag.id_tag): entry_of(tag, now) for tag in tags}
    for entries in added:
        for each in entries:
            info = each.id_tag_info
            if info is not None and info.status == "ConcurrentTx":
                info = msgspec.structs.replace(info, status="Accepted")
            if info is not None:
                wanted[folded(each.id_tag)] = AuthorizationData(each.id_tag, info)
    return wanted


def differences(present: Entries, wanted: Entries) -> list[AuthorizationData]:
    """What changes `present` into `wanted`; deletions first, so that no list is too long in between (LAL-04)."""
    gone = [AuthorizationData(each.id_tag) for key, each in present.items() if key not in wanted]
    return [*gone, *(each for key, each in wanted.items() if present.get(key) != each)]


def full(entries: Sequence[AuthorizationData], size: int) -> list[Piece]:
    """A Full list in messages of `size` entries: the first replaces everything, also with nothing (LAL-07)."""
    first = Piece("Full", tuple(entries[:size]))
    return [first, *differential(entries[size:], size)]


def differential(entries: Sequence[AuthorizationData], size: int) -> list[Piece]:
    """Changes in messages of `size` entries; none for no changes."""
    starts = range(0, len(entries), size)
    return [Piece("Differential", tuple(entries[start : start + size])) for start in starts]

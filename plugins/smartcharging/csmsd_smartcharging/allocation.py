"""How stations share a limit: who gets what, and in which order stations may be told so.

Pure. Amounts are integers in tenths of the site's unit, the finest that a station can be told.

A station may draw what it has confirmed, and while it has not answered, also what it was asked to: the larger of the
two counts. As long as a raise is sent only when the sum of all that still stays within the limit, the limit holds at
every instant, in whatever order answers arrive, and also if they never do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

Strategy = Literal["proportional", "priority"]
Tenths = Annotated[int, Meta(ge=0)]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A station that takes part."""

    station_id: str
    maximum: Tenths  # what it draws when nobody limits it
    minimum: Tenths = 0  # with less it cannot charge: then it gets nothing
    weight: Annotated[int, Meta(ge=1)] = 1  # its part, when shared in proportion
    priority: int = 0  # the greater is served first


class Holding(msgspec.Struct, frozen=True):
    """What a station may draw now."""

    confirmed: Tenths  # what it has accepted last; its maximum if it has accepted nothing yet
    outstanding: Tenths | None = None  # the most it was asked to take since, not knowing whether it did
    is_waiting: bool = False  # it is about to answer
    is_reachable: bool = True  # False: offline, or it refuses: it keeps what it has

    @property
    def bound(self) -> int:
        """The most it may draw."""
        return max(self.confirmed, self.outstanding or 0)


class Move(NamedTuple):
    """A station is to be told a new limit."""

    station_id: str
    limit: int


def targets(
    limit: int, members: Sequence[Member], strategy: Strategy, holdings: Mapping[str, Holding]
) -> dict[str, int]:
    """What each station should get: who cannot be told keeps what it may draw, the others share the rest."""
    fixed = {each.station_id: holdings[each.station_id].bound for each in members if _is_fixed(each, holdings)}
    others = [each for each in members if each.station_id not in fixed]
    rest = max(0, limit - sum(fixed.values()))
    shares = by_priority(rest, others) if strategy == "priority" else in_proportion(rest, others)
    return {**fixed, **shares}


def next_moves(limit: int, wanted: Mapping[str, int], holdings: Mapping[str, Holding]) -> list[Move]:
    """What can be sent now: reductions always, raises only where all that may be drawn leaves room for them."""
    free = limit - sum(each.bound for each in holdings.values())
    moves: list[Move] = []
    for station_id, target in wanted.items():
        holding = holdings[station_id]
        is_settled = target == holding.confirmed and holding.outstanding is None
        if is_settled or holding.is_waiting or not holding.is_reachable:
            continue
        raised = max(0, target - holding.bound)
        if raised == 0 or raised <= free:
            free -= raised
            moves.append(Move(station_id, target))
    return moves


def by_priority(limit: int, members: Sequence[Member]) -> dict[str, int]:
    """The first gets all it can use, the next what is left, and so on; among equals in the order given."""
    shares: dict[str, int] = {}
    for each in sorted(members, key=lambda member: -member.priority):
        share = min(each.maximum, limit)
        shares[each.station_id] = share if share >= each.minimum else 0
        limit -= shares[each.station_id]
    return {each.station_id: shares[each.station_id] for each in members}


def in_proportion(limit: int, members: Sequence[Member]) -> dict[str, int]:
    """Each gets a part by its weight, never more than it can use; who would get too little to charge gets nothing.

    Of those the last in priority goes without first, so that what it leaves may be enough for another.
    """
    served = sorted(members, key=lambda member: -member.priority)
    while True:
        shares = _filled(limit, served)
        starving = [each for each in served if shares[each.station_id] < each.minimum]
        if not starving:
            return {each.station_id: shares.get(each.station_id, 0) for each in members}
        served.remove(starving[-1])


def _filled(limit: int, members: Sequence[Member]) -> dict[str, int]:
    """Weighted shares; what one cannot use goes to the others."""
    shares: dict[str, int] = {}
    waiting, left = list(members), limit
    while waiting:
        level = Fraction(left, sum(each.weight for each in waiting))
        full = [each for each in waiting if each.maximum <= level * each.weight]
        if not full:
            shares.update({each.station_id: int(level * each.weight) for each in waiting})
            return shares
        for each in full:
            shares[each.station_id] = each.maximum
            left -= each.maximum
            waiting.remove(each)
    return shares


def _is_fixed(member: Member, holdings: Mapping[str, Holding]) -> bool:
    return not holdings[member.station_id].is_reachable

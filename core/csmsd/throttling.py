"""Buckets of tokens that come back at a steady rate: how often an address, or an account, may try. Bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

MOST_ACCOUNTS = 65_536
LONGEST_PAUSE = 300.0
NO_TIME = 1e-6  # seconds: what rounding leaves


def address_of(peer: str) -> str:
    """The host of "host:port"; of IPv6 the /64 network, because nobody has less."""
    host = peer.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


class Bucket:
    """Tokens that come back at a steady rate."""

    __slots__ = ("at", "pause", "tokens", "until")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens, self.at = tokens, now
        self.pause = 0.0  # the last back-off
        self.until = 0.0  # no token is given before


class Buckets(Generic[Key]):
    """One bucket per key. The keys used least recently are forgotten beyond `most`."""

    def __init__(self, *, rate: float, burst: float, most: int = MOST_ACCOUNTS, backs_off: bool = True) -> None:
        self._rate, self._burst, self._most, self._backs_off = rate, burst, most, backs_off
        self._buckets: OrderedDict[Key, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: Key, now: float) -> float:
        """Seconds until there is a token; 0 if there is one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        wait = max(bucket.until - now, (1.0 - self._tokens(bucket, now)) / self._rate)
        return wait if wait > NO_TIME else 0.0

    def take(self, key: Key, now: float) -> None:
        """Take a token, even if there is none. Whoever takes the last may have to wait twice as long as last time."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._burst, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        if now - bucket.at > 2 * LONGEST_PAUSE:
            bucket.pause = 0.0
        bucket.tokens = max(0.0, self._tokens(bucket, now) - 1.0)
        bucket.at = now
        if self._backs_off and bucket.tokens < 1.0:
            bucket.pause = min(LONGEST_PAUSE, max(1.0 / self._rate, 2 * bucket.pause))
            bucket.until = now + bucket.pause

    def give_back(self, key: Key, now: float) -> None:
        """The token was taken for something that turned out well: as if it had not been taken, but for the pause."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.tokens, bucket.at = min(self._burst, self._tokens(bucket, now) + 1.0), now
            if bucket.tokens >= 1.0:
                bucket.until = now

    def _tokens(self, bucket: Bucket, now: float) -> float:
        return min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)

"""The credential book: the secrets of stations, as digests; it writes, stages and verifies, and never reads one out."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

from csmsd._kernel.hashing import Hashing
from csmsd._kernel.passwords import (
    KEY_OCTETS,
    SALT_OCTETS,
    Secret,
    canonical_secret,
    fast_digest,
    is_fast,
    matches_fast,
    matches_slow,
    presented_secret,
    slow_decoy,
    slow_digest,
)
from csmsd._kernel.stationrows import Digest, Secrets, StationState
from csmsd._kernel.stationstates import StationStates
from csmsd.env import Env
from csmsd.errors import InvalidStation
from csmsd.pending import Pending
from csmsd.station import Credentials

log = logging.getLogger("csmsd.security")

MOST_STAGED = 3  # of one station: more rotations in a row that were never answered forget the oldest
MOST_PROOFS = 100_000


class Match(NamedTuple):
    """What came of a check."""

    is_right: bool
    digest: str = ""  # the one that matched


WRONG = Match(False)


class CredentialBook(Credentials):
    """Checks against random keys answer at once; checks against passwords people chose are a Pending the first time."""

    def __init__(self, states: StationStates, hashing: Hashing, env: Env) -> None:
        self._states, self._hashing, self._env = states, hashing, env
        self._proofs = _Proofs(env.token_bytes(32))
        self._decoys = _Decoys(env)
        states.watch(self._decoys.note)

    # -- checking --------------------------------------------------------------------------------

    def verify(self, station_id: str, presented: bytes) -> Match | Pending[Match]:
        """Is this a secret of the station? The Pending settles with HashingBusyError when csmsd is overrun.

        It costs the same whether the station exists or not (WS-07).
        """
        digests = self._digests(station_id) or [self._decoys.digest_for(station_id)]
        match = self._match_at_once(digests, presented)
        slow = [digest for digest in digests if not is_fast(digest)]
        if match.is_right or not slow:
            return match
        return self._hashing.submit(lambda: _match_slowly(slow, presented)).then(self._prove(presented))

    def recognises(self, station_id: str, presented: bytes) -> bool:
        """Is it a random key of the station? Those cannot be guessed: whoever shows one need not wait (WS-25)."""
        digests = [digest for digest in self._digests(station_id) if is_fast(digest)]
        return self._match_at_once(digests, presented).is_right

    def is_valid(self, station_id: str, match: Match) -> bool:
        """What matched is still a secret of the station."""
        return match.is_right and match.digest in self._digests(station_id)

    def used(self, station_id: str, match: Match) -> None:
        """A station was let in with this secret: a staged one retires what is older, not what is newer (SEC-33)."""
        state = self._states.find(station_id)
        if state is not None and any(digest.text == match.digest for digest in state.secrets.staged):
            log.info(
                "%r uses its new key; the old one is not valid any more", station_id, extra={"station": station_id}
            )
            self._edit(station_id, lambda secrets: _settled(secrets, match.digest)).when_settled(_log_failure)

    def _digests(self, station_id: str) -> list[str]:
        state = self._states.find(station_id)
        return [] if state is None else [digest.text for digest in state.secrets.valid]

    def _match_at_once(self, digests: list[str], presented: bytes) -> Match:
        matches = [
            digest
            for digest in digests
            if (matches_fast(digest, presented) if is_fast(digest) else self._proofs.holds(digest, presented))
        ]
        return Match(True, matches[0]) if matches else WRONG

    def _prove(self, presented: bytes) -> Callable[[Match], Match]:
        def remember(match: Match) -> Match:
            if match.is_right:
                self._proofs.add(match.digest, presented)
            return match

        return remember

    # -- changing --------------------------------------------------------------------------------

    def generate(self) -> str:
        """See Credentials."""
        return self._env.token_bytes(KEY_OCTETS).hex()

    async def put(self, station_id: str, password: str) -> None:
        """See Credentials."""
        digest = await self.digest(password)
        await self._edit(station_id, lambda _: Secrets(digest))

    async def stage(self, station_id: str, password: str) -> None:
        """See Credentials. What was staged before stays valid: the station may have taken it without an answer."""
        digest = await self.digest(password)
        await self._edit(station_id, lambda old: Secrets(old.present, (*old.staged, digest)[-MOST_STAGED:]))

    def settle(self, station_id: str, *, keep_new: bool) -> Pending[None]:
        """See Credentials. It is about the secret that was staged last."""
        if keep_new:
            return self._edit(station_id, lambda old: Secrets(old.staged[-1]) if old.staged else old)
        return self._edit(station_id, lambda old: Secrets(old.present, old.staged[:-1]))

    async def withdraw(self, station_id: str) -> None:
        """See Credentials."""
        await self._edit(station_id, lambda _: Secrets())

    async def digest(self, password: str) -> Digest:
        """What is kept of an operator's entry (WS-23, WS-24)."""
        if not password:
            raise InvalidStation("a password has one character at least")
        return await self._digest_of(canonical_secret(password))

    async def digest_presented(self, password: bytes) -> Digest:
        """What is kept of a password that a station has shown, in trial mode (WS-22)."""
        return await self._digest_of(presented_secret(password))

    async def _digest_of(self, secret: Secret) -> Digest:
        salt = self._env.token_bytes(SALT_OCTETS)
        if secret.is_random:
            text = fast_digest(secret.octets, salt)
        else:
            text = await self._hashing.submit(lambda: slow_digest(secret.octets, salt))
        return Digest(text, self._env.now())

    def _edit(self, station_id: str, edit: Callable[[Secrets], Secrets]) -> Pending[None]:
        def change(state: StationState) -> StationState:
            return StationState(state.record, edit(state.secrets))

        return self._states.change(station_id, change).then(lambda _: None)


def _match_slowly(digests: list[str], presented: bytes) -> Match:
    matches = [digest for digest in digests if matches_slow(digest, presented)]
    return Match(True, matches[0]) if matches else WRONG


def _settled(secrets: Secrets, used: str) -> Secrets:
    for index, digest in enumerate(secrets.staged):
        if digest.text == used:
            return Secrets(digest, secrets.staged[index + 1 :])
    return secrets


def _log_failure(_value: object, error: BaseException | None) -> None:
    if error is not None:
        log.warning("an old key stays valid for now: %s", error)


class _Proofs:
    """Passwords that were right against a slow digest: a keyed hash of each, in memory only, by digest.

    A changed secret has another digest, so what is remembered of the old one is never asked for again.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key  # of this process
        self._proofs: OrderedDict[str, bytes] = OrderedDict()

    def holds(self, digest: str, presented: bytes) -> bool:
        proof = self._proofs.get(digest, b"")
        return compare_digest(proof, self._hash(presented))

    def add(self, digest: str, presented: bytes) -> None:
        self._proofs[digest] = self._hash(presented)
        if len(self._proofs) > MOST_PROOFS:
            self._proofs.popitem(last=False)

    def _hash(self, presented: bytes) -> bytes:
        return blake2b(presented, key=self._key, digest_size=32).digest()


class _Decoys:
    """What unknown stations are checked against: nobody matches it, and it costs what a known station would cost.

    As many of them are slow as of the known ones, and an identity is always of the same kind, so that the time a
    refusal takes tells nothing about which identities exist (WS-07).
    """

    def __init__(self, env: Env) -> None:
        self._key = env.token_bytes(32)
        self._fast = fast_digest(env.token_bytes(KEY_OCTETS), env.token_bytes(SALT_OCTETS))
        self._slow = slow_decoy(env.token_bytes(SALT_OCTETS), env.token_bytes(32))
        self._with_fast: set[str] = set()
        self._with_slow: set[str] = set()

    def note(self, station_id: str, state: StationState | None) -> None:
        """A station has these secrets now."""
        self._with_fast.discard(station_id)
        self._with_slow.discard(station_id)
        if state is not None and state.secrets.valid:
            all_fast = all(is_fast(digest.text) for digest in state.secrets.valid)
            (self._with_fast if all_fast else self._with_slow).add(station_id)

    def digest_for(self, station_id: str) -> str:
        slow, all_ = len(self._with_slow), len(self._with_slow) + len(self._with_fast)
        lot = int.from_bytes(blake2b(station_id.encode(), key=self._key, digest_size=4).digest(), "big")
        return self._slow if lot * all_ < slow << 32 else self._fast

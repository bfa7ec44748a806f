"""One webhook at work: takes facts, posts events, and knows how it went."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import trio

from csmsd.env import Env
from csmsd.errors import CsmsdError
from csmsd.facts import NotNow, RecordedFact
from csmsd_events.book import Stored
from csmsd_events.envelope import MEDIA_TYPE, Event, event_of, fits
from csmsd_events.sending import Answer, Sender, Unreachable
from csmsd_events.signing import key_of, signed_headers

REMEMBERED = 100  # attempts of one webhook, for the operator
LONGEST_REST = 60.0  # seconds between two tries of a receiver that does not work at all
LONGEST_WAIT = 86_400.0  # seconds that a receiver may ask for
GONE = 410
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})  # about the receiver, not about this event


class NotDelivered(CsmsdError):
    """The receiver did not take an event: with its answer, or why there is none."""


class Attempt(msgspec.Struct, frozen=True):
    """One delivery that was tried."""

    at: datetime
    event_id: str
    type: str
    station_id: str
    is_delivered: bool
    status: int  # the answer's; 0 = there was none
    error: str  # one sentence; "" if it was delivered
    milliseconds: int


class Deliverer:
    """Posts the events of one webhook. `take` is what its reader calls, for several stations at once."""

    def __init__(
        self, stored: Stored, sender: Sender, env: Env, source: str, at_once: int, gone: Callable[[], None]
    ) -> None:
        self._webhook, self._key = stored.webhook, key_of(stored.secret)
        self._sender, self._env, self._source, self._gone = sender, env, source, gone
        self._turn = trio.CapacityLimiter(at_once)
        self._rest_until, self._failures = 0.0, 0  # of the receiver as such, one after the other
        self._attempts: deque[Attempt] = deque(maxlen=REMEMBERED)
        self.delivered = self.failed = 0

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The last ones, newest first."""
        return list(reversed(self._attempts))

    async def take(self, fact: RecordedFact) -> None:
        """Deliver; NotDelivered, or NotNow if the receiver has asked for a pause."""
        if not fits(fact.name, self._webhook.types) or not fits(fact.station_id, self._webhook.stations):
            return
        async with self._turn:
            while (rest := self._rest_until - self._env.monotonic()) > 0:
                if rest > LONGEST_REST:
                    raise NotNow("the receiver has asked for a pause", rest)
                await trio.sleep(rest)  # it does not work at all: not everybody has to find that out
            attempt, answer = await self._try(event_of(fact, self._source))
        if attempt.is_delivered:
            return
        if attempt.status == GONE:
            self._gone()
            raise NotDelivered("the receiver says that it is gone: the webhook is disabled")
        if answer is not None and answer.retry_after:
            seconds = seconds_of(answer.retry_after, self._env.now())
            if attempt.status in BUSY:
                self._rest_until = max(self._rest_until, self._env.monotonic() + seconds)
            raise NotNow(f"{attempt.error}, and asked for a pause of {seconds:g} s", seconds)
        raise NotDelivered(attempt.error)

    async def post(self, event: Event) -> Attempt:
        """Try once, whatever the receiver did before."""
        attempt, _ = await self._try(event)
        return attempt

    async def _try(self, event: Event) -> tuple[Attempt, Answer | None]:
        body = msgspec.json.encode(event)
        now, began = self._env.now(), self._env.monotonic()
        headers = {
            "content-type": MEDIA_TYPE,
            "user-agent": "csmsd",
            **signed_headers(self._key, event.id, int(now.timestamp()), body),
        }
        answer, error = None, ""
        try:
            answer = await self._sender.post(headers, body)
        except Unreachable as reason:
            error = str(reason)
        else:
            if not 200 <= answer.status < 300:
                error = f"the receiver answered {answer.status}"
        milliseconds = round((self._env.monotonic() - began) * 1000)
        status = 0 if answer is None else answer.status
        attempt = Attempt(now, event.id, event.type, event.subject, not error, status, error, milliseconds)
        self._note(attempt, began)
        return attempt, answer

    def _note(self, attempt: Attempt, began: float) -> None:
        self._attempts.append(attempt)
        self.delivered += attempt.is_delivered
        self.failed += not attempt.is_delivered
        if attempt.status != 0 and attempt.status not in BUSY:
            self._failures, self._rest_until = 0, 0.0  # it works, whatever it thinks of this event
        elif began >= self._rest_until:  # else it is one that began before the rest did
            self._failures += 1
            pause = min(2.0 ** min(self._failures - 1, 30), LONGEST_REST) * (1 - 0.2 * self._env.random.random())
            self._rest_until = self._env.monotonic() + pause


def seconds_of(retry_after: str, now: datetime) -> float:
    """What a Retry-After header asks for, within a day; 0 if it cannot be read."""
    if retry_after.isascii() and retry_after.isdecimal():
        return min(float(retry_after[:9]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, min((moment - now).total_seconds(), LONGEST_WAIT))

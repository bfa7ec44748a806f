"""Authorisation: one judgement of an id tag, the same for Authorize, StartTransaction and StopTransaction (AUTH-07)."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

from csmsd.host import Host
from csmsd.ocpp.errors import InternalError
from csmsd.pending import Pending
from csmsd.station import Arrival, Station
from csmsd_core import hookspecs
from csmsd_core.config import CoreConfig
from csmsd_core.folding import folded
from csmsd_core.hookspecs import Purpose
from csmsd_core.messages import AuthorizationStatus, Authorize, AuthorizeResponse, IdTagInfo
from csmsd_core.remote_start import RemoteStarts
from csmsd_core.tags import Tag, Tags

NO_ANSWER = IdTagInfo("Invalid")  # compared by identity: an authoriser failed or was too slow; never sent as it is
UNVERIFIED_LIFETIME = timedelta(hours=1)  # so that caches keep an unverified verdict only briefly (AUTH-14)
REMEMBERED_VERDICTS = 50_000


class TagVerdict(msgspec.Struct, frozen=True):
    """What was decided about an id tag, and what the transaction engine needs to add ConcurrentTx (TX-08)."""

    info: IdTagInfo
    max_active_transactions: int | None = None  # None: no limit
    is_verified: bool = True  # False: no authoriser answered; the last known verdict or a provisional one (AUTH-14)


class Authorization:
    """Judges id tags: plugins first, then the operator's tags and the remote starts that are under way."""

    def __init__(self, host: Host, config: CoreConfig, tags: Tags, remote_starts: RemoteStarts) -> None:
        self._host, self._config, self._tags, self._remote_starts = host, config, tags, remote_starts
        self._last: OrderedDict[str, IdTagInfo] = OrderedDict()  # verdicts on tags that are not in `tags`

    def authorize(self, station: Station, request: Authorize, _arrival: Arrival) -> Pending[AuthorizeResponse]:
        """Answer an Authorize; InternalError instead of a false `Invalid` when nobody could judge (AUTH-09)."""
        return self.judge(station, request.id_tag, "authorize").then(lambda verdict: AuthorizeResponse(verdict.info))

    def judge(self, station: Station, id_tag: str, purpose: Purpose) -> Pending[TagVerdict]:
        """The verdict on an id tag; only for `authorize` and `remote` it may be an error (AUTH-09, AUTH-14)."""
        if not id_tag:
            return Pending[TagVerdict].of(TagVerdict(IdTagInfo("Invalid")))  # AUTH-11
        asked = self._host.hooks.ask_decision(NO_ANSWER, hookspecs.authorize_id_tag, station, id_tag, purpose)
        return asked.then(lambda info: self._verdict(id_tag, purpose, info))

    def own_verdict(self, station_id: str, id_tag: str) -> IdTagInfo:
        """The Core profile's own answer to `authorize_id_tag` (AUTH-01, AUTH-10)."""
        now = self._host.env.now()
        known = self._tags.find(id_tag)
        if known is not None:
            return _info_of(known, now)
        if self._remote_starts.permits(station_id, id_tag, now):
            return IdTagInfo("Accepted", now + timedelta(seconds=self._config.remote_start_window))
        return IdTagInfo("Invalid")

    def _verdict(self, id_tag: str, purpose: Purpose, info: IdTagInfo) -> TagVerdict:
        if info is NO_ANSWER:
            return self._verdict_without_answer(id_tag, purpose)
        if info.status == "ConcurrentTx" and purpose != "start":
            info = msgspec.structs.replace(info, status="Accepted")  # AUTH-02
        known = self._tags.find(id_tag)
        if known is None:
            self._remember(folded(id_tag), info)
        return TagVerdict(info, None if known is None else known.max_active_transactions)

    def _verdict_without_answer(self, id_tag: str, purpose: Purpose) -> TagVerdict:
        if purpose in ("authorize", "remote"):
            if self._config.authorizer_failure == "InternalError":
                raise InternalError("the id tag cannot be verified now")
            return TagVerdict(IdTagInfo(self._config.authorizer_failure), is_verified=False)
        now, known = self._host.env.now(), self._tags.find(id_tag)
        if known is not None:
            return TagVerdict(_info_of(known, now), known.max_active_transactions, is_verified=False)
        last = self._last.get(folded(id_tag))
        if last is not None:
            return TagVerdict(_as_of(last, now), is_verified=False)
        status: AuthorizationStatus = "Accepted" if self._config.start_unverified else "Invalid"
        return TagVerdict(IdTagInfo(status, now + UNVERIFIED_LIFETIME), is_verified=False)

    def _remember(self, key: str, info: IdTagInfo) -> None:
        self._last[key] = info
        self._last.move_to_end(key)
        if len(self._last) > REMEMBERED_VERDICTS:
            self._last.popitem(last=False)


def _info_of(known: Tag, now: datetime) -> IdTagInfo:
    """AUTH-01's order: blocked, expired, accepted; parent and expiry as the operator wrote them (AUTH-04, AUTH-06)."""
    info = IdTagInfo(known.status, known.expires_at, known.parent_id_tag or None)
    return info if known.status == "Blocked" else _as_of(info, now)


def _as_of(info: IdTagInfo, now: datetime) -> IdTagInfo:
    if info.status == "Accepted" and info.expiry_date is not None and info.expiry_date <= now:
        return msgspec.structs.replace(info, status="Expired")
    return info

"""What is asked and what is answered: JSON over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from csmsd_core import IdTagInfo, Purpose
from csmsd_core.messages import AuthorizationStatus


class Question(msgspec.Struct, frozen=True):
    """The body of the POST."""

    station_id: str
    id_tag: str  # as the station sent it
    purpose: Purpose  # the answer must not depend on it: stations keep it for all purposes (AUTH-07)


class Answer(msgspec.Struct, frozen=True):
    """The body of a 200. A 204 without one leaves the tag to csmsd's own table."""

    status: AuthorizationStatus
    expiry_date: Annotated[datetime, Meta(tz=True)] | None = None  # RFC 3339, with a zone
    parent_id_tag: Annotated[str, Meta(max_length=20)] | None = None

    def to_info(self) -> IdTagInfo:
        """As stations are told."""
        return IdTagInfo(self.status, self.expiry_date, self.parent_id_tag)

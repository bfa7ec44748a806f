"""The messages of Local Auth List Management (MSG-32, MSG-33)."""

from __future__ import annotations

from typing import Literal

from csmsd.ocpp.types import IdTag, Integer, Payload, Positive
from csmsd_core.messages import IdTagInfo

UpdateType = Literal["Differential", "Full"]


class GetLocalListVersion(Payload, frozen=True):
    """Ask for the version of the station's list."""


class GetLocalListVersionResponse(Payload, frozen=True):
    """Answer to GetLocalListVersion: -1 not supported, 0 empty (LAL-01)."""

    list_version: Integer


class AuthorizationData(Payload, frozen=True):
    """An id tag in a list; in a Differential without information: take it out (LAL-04)."""

    id_tag: IdTag
    id_tag_info: IdTagInfo | None = None


class SendLocalList(Payload, frozen=True):
    """Replace the station's list, or change some of it; the version is the one afterwards (LAL-02 … LAL-04)."""

    list_version: Positive
    update_type: UpdateType
    local_authorization_list: tuple[AuthorizationData, ...] = ()


class SendLocalListResponse(Payload, frozen=True):
    """Answer to SendLocalList (LAL-08)."""

    status: Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]

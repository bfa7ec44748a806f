"""OCPP 1.6 Local Auth List Management. What other plugins and programs use: commands, messages, and the services."""

from __future__ import annotations

from csmsd_localauth.commands import COMMANDS, GET_LOCAL_LIST_VERSION, SEND_LOCAL_LIST
from csmsd_localauth.config import LocalAuthConfig
from csmsd_localauth.limits import Limits, LimitsUnknown, ListTooLong
from csmsd_localauth.messages import (
    AuthorizationData,
    GetLocalListVersion,
    GetLocalListVersionResponse,
    SendLocalList,
    SendLocalListResponse,
)
from csmsd_localauth.mirror import ListState
from csmsd_localauth.plugin import LocalAuthPlugin
from csmsd_localauth.sync import SyncResult

__all__ = [
    "COMMANDS",
    "GET_LOCAL_LIST_VERSION",
    "SEND_LOCAL_LIST",
    "AuthorizationData",
    "GetLocalListVersion",
    "GetLocalListVersionResponse",
    "Limits",
    "LimitsUnknown",
    "ListState",
    "ListTooLong",
    "LocalAuthConfig",
    "LocalAuthPlugin",
    "SendLocalList",
    "SendLocalListResponse",
    "SyncResult",
]

"""The commands of Local Auth List Management (MSG-32, MSG-33)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_localauth import messages as m

GET_LOCAL_LIST_VERSION = Command(
    "GetLocalListVersion",
    m.GetLocalListVersion,
    m.GetLocalListVersionResponse,
    "Ask for the version of the station's local authorization list.",
)
SEND_LOCAL_LIST = Command(
    "SendLocalList",
    m.SendLocalList,
    m.SendLocalListResponse,
    "Replace the station's local authorization list, or change some of it.",
)

COMMANDS = (GET_LOCAL_LIST_VERSION, SEND_LOCAL_LIST)

"""The command of Remote Trigger (MSG-36)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_trigger import messages as m

TRIGGER_MESSAGE = Command(
    "TriggerMessage", m.TriggerMessage, m.TriggerMessageResponse, "Ask the station to send a message now."
)

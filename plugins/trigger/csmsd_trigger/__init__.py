"""OCPP 1.6 Remote Trigger. What other plugins and programs use: the command, its messages, and the plugin's service."""

from __future__ import annotations

from csmsd_core import Trigger
from csmsd_trigger.commands import TRIGGER_MESSAGE
from csmsd_trigger.config import TriggerConfig
from csmsd_trigger.messages import MessageTrigger, TriggerMessage, TriggerMessageResponse
from csmsd_trigger.plugin import TriggerPlugin

__all__ = [
    "TRIGGER_MESSAGE",
    "MessageTrigger",
    "Trigger",
    "TriggerConfig",
    "TriggerMessage",
    "TriggerMessageResponse",
    "TriggerPlugin",
]

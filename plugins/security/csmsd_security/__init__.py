"""OCPP 1.6 security white paper. What other plugins and programs use: messages, commands, hooks, services."""

from __future__ import annotations

from csmsd_core import Trigger
from csmsd_security.actions import ACTIONS
from csmsd_security.commands import (
    CERTIFICATE_SIGNED,
    COMMANDS,
    DELETE_CERTIFICATE,
    EXTENDED_TRIGGER_MESSAGE,
    GET_INSTALLED_CERTIFICATE_IDS,
    GET_LOG,
    INSTALL_CERTIFICATE,
    SIGNED_UPDATE_FIRMWARE,
)
from csmsd_security.config import SecurityConfig
from csmsd_security.events import SecurityEvent
from csmsd_security.facts import SECURITY_EVENT_RECEIVED, SecurityEventReceived
from csmsd_security.jobs import Job
from csmsd_security.plugin import SecurityPlugin

__all__ = [
    "ACTIONS",
    "CERTIFICATE_SIGNED",
    "COMMANDS",
    "DELETE_CERTIFICATE",
    "EXTENDED_TRIGGER_MESSAGE",
    "GET_INSTALLED_CERTIFICATE_IDS",
    "GET_LOG",
    "INSTALL_CERTIFICATE",
    "SECURITY_EVENT_RECEIVED",
    "SIGNED_UPDATE_FIRMWARE",
    "Job",
    "SecurityConfig",
    "SecurityEvent",
    "SecurityEventReceived",
    "SecurityPlugin",
    "Trigger",
]

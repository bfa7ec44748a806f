"""The CALLs of the security white paper that stations send."""

from __future__ import annotations

from csmsd.action import Action
from csmsd_security import hookspecs, messages

LOG_STATUS_NOTIFICATION = Action(
    "LogStatusNotification",
    messages.LogStatusNotification,
    messages.LogStatusNotificationResponse,
    hookspecs.log_status_notification,
)
SECURITY_EVENT_NOTIFICATION = Action(
    "SecurityEventNotification",
    messages.SecurityEventNotification,
    messages.SecurityEventNotificationResponse,
    hookspecs.security_event_notification,
    keeps_refused=True,  # BOOT-31
)
SIGN_CERTIFICATE = Action(
    "SignCertificate",
    messages.SignCertificate,
    messages.SignCertificateResponse,
    hookspecs.sign_certificate,
    repeats_answer=True,  # RPC-12
)
SIGNED_FIRMWARE_STATUS_NOTIFICATION = Action(
    "SignedFirmwareStatusNotification",
    messages.SignedFirmwareStatusNotification,
    messages.SignedFirmwareStatusNotificationResponse,
    hookspecs.signed_firmware_status_notification,
)

ACTIONS = (
    LOG_STATUS_NOTIFICATION,
    SECURITY_EVENT_NOTIFICATION,
    SIGN_CERTIFICATE,
    SIGNED_FIRMWARE_STATUS_NOTIFICATION,
)

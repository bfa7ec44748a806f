"""Who could offer what no enabled plugin offers: so that an error can say what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

# Plugins that are not named are not imported, so csmsd has to know by heart what those that come with it offer.
COMMANDS_OF: Mapping[str, tuple[str, ...]] = {
    "core": (
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "DataTransfer",
        "GetConfiguration",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "Reset",
        "UnlockConnector",
    ),
    "firmware": ("GetDiagnostics", "UpdateFirmware"),
    "localauth": ("GetLocalListVersion", "SendLocalList"),
    "reservation": ("CancelReservation", "ReserveNow"),
    "security": (
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    ),
    "smartcharging": ("ClearChargingProfile", "GetCompositeSchedule", "SetChargingProfile"),
    "trigger": ("TriggerMessage",),
}
VERBS_OF: Mapping[str, tuple[str, ...]] = {
    "certification": ("certify",),
    "core": ("tag", "tx"),
    "events": ("events",),
    "firmware": ("diagnostics", "firmware"),
    "localauth": ("locallist",),
    "reservation": ("reservation",),
    "security": ("security",),
    "simulator": ("demo", "simulate", "swarm"),
    "smartcharging": ("profile",),
    "trigger": ("trigger",),
    "web": ("token", "user"),
}


def plugin_of_command(command: str) -> str | None:
    """Which plugin that comes with csmsd offers an OCPP command."""
    return _owner(COMMANDS_OF, command)


def plugin_of_verb(verb: str) -> str | None:
    """Which plugin that comes with csmsd adds a command to the command line."""
    return _owner(VERBS_OF, verb)


def _owner(offers: Mapping[str, tuple[str, ...]], wanted: str) -> str | None:
    return next((plugin for plugin, names in offers.items() if wanted in names), None)

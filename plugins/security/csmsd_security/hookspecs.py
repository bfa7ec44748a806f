"""The security profile's hooks: its actions, its decision, its facts.

Each docstring answers, in this order: when it is called; what to return; what happens if you raise or are slow; whether
it may be called twice. An action hook may name any subset of its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csmsd.hookspecs import hookspec
from csmsd.station import Arrival, Station

if TYPE_CHECKING:
    from csmsd_security.facts import SecurityEventReceived
    from csmsd_security.messages import (
        LogStatusNotification,
        LogStatusNotificationResponse,
        SecurityEventNotification,
        SecurityEventNotificationResponse,
        SignCertificate,
        SignCertificateResponse,
        SignedFirmwareStatusNotification,
        SignedFirmwareStatusNotificationResponse,
    )

# Actions: CALLs of stations.


@hookspec(colour="either")
def log_status_notification(
    station: Station, request: LogStatusNotification, arrival: Arrival
) -> LogStatusNotificationResponse | None:
    """Called for every LogStatusNotification.

    Return the answer, or None to leave it to the security profile, which notes the status in the job. If you raise or
    are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def security_event_notification(
    station: Station, request: SecurityEventNotification, arrival: Arrival
) -> SecurityEventNotificationResponse | None:
    """Called for every SecurityEventNotification; to hear of stored ones implement `security_event_received` instead.

    Return the answer, or None to leave it to the security profile, which stores the event: who answers here takes that
    over. If you raise or are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


@hookspec(colour="either")
def sign_certificate(station: Station, request: SignCertificate, arrival: Arrival) -> SignCertificateResponse | None:
    """Called for every SignCertificate; to be the certificate authority implement `issue_certificate` instead.

    Return the answer, or None to leave it to the security profile, which checks the request, asks for a certificate and
    sends it: who answers here takes that over. If you raise or are slow you are passed over. Not called for a
    retransmission within an hour (RPC-12).
    """
    raise AssertionError


@hookspec(colour="either")
def signed_firmware_status_notification(
    station: Station, request: SignedFirmwareStatusNotification, arrival: Arrival
) -> SignedFirmwareStatusNotificationResponse | None:
    """Called for every SignedFirmwareStatusNotification.

    Return the answer, or None to leave it to the security profile, which notes the status in the job. If you raise or
    are slow you are passed over. Called again for a retransmission.
    """
    raise AssertionError


# Decisions: questions with a safe answer.


@hookspec()
async def issue_certificate(station: Station, csr_pem: str) -> str | None:
    """Asked for a certificate when a station's request is in order and has been confirmed (SEC-52).

    Return the PEM chain, leaf first, without the root, or None to leave it to the next plugin; the built-in CA comes
    last, if there is one. If you raise or are slow you are passed over; if nobody answers the operator is told and the
    station gets none (SEC-57). Called once for a request.
    """


# Facts: they have happened and are stored; delivered at least once, in order for each station.


@hookspec()
async def security_event_received(station_id: str, fact: SecurityEventReceived, fact_id: int) -> None:
    """A station has reported a security event for the first time; look at `fact.is_critical` for alerts (SEC-71).

    Returns nothing. If you raise or are slow it is delivered again, after repeated failures set aside. May be called
    twice with the same `fact_id`.
    """

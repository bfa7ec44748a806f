"""The kernel's own answer to `authenticate_station`: Basic credentials and client certificates against the records."""

from __future__ import annotations

import base64
import binascii
import logging
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from csmsd._kernel.credentials import WRONG, CredentialBook, Match
from csmsd._kernel.stationbook import StationBook
from csmsd.config import Access
from csmsd.env import Env
from csmsd.hookspecs import ConnectRequest, Verdict, hookimpl, judge_certificate
from csmsd.host import Hooks
from csmsd.pending import Pending
from csmsd.station import StationRecord

log = logging.getLogger("csmsd.security")

UNKNOWN = Verdict(False, "no station of this identity is registered", stage="identity")
UNJUDGED = "it could not be judged"
BUSY_PAUSE = (5, 20)  # seconds, a random number of them: those who are sent away do not come back together


class Claim(NamedTuple):
    """What an Authorization header says."""

    password: bytes | None  # None: nothing that could be checked
    complaint: str = ""  # ... and why


def read_basic(authorization: bytes | None, station_id: str) -> Claim:
    """The password in the header, as octets: it may hold 0x00, colons and anything else (WS-20..WS-22)."""
    if authorization is None:
        return Claim(None, "the charger sent no credentials")
    scheme, _, token = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return Claim(None, "the charger sent credentials of another kind than Basic")
    token = token.strip().rstrip(b"=")
    try:
        credentials = base64.b64decode(token + b"=" * (-len(token) % 4), validate=True)
    except binascii.Error:
        return Claim(None, "the charger sent credentials that are not base64")
    user = station_id.encode() + b":"
    if not credentials.startswith(user):
        return Claim(None, "the user name in the credentials is not the identity in the URL")
    return Claim(credentials[len(user) :])


def is_certificate_of(record: StationRecord, certificate: bytes | None) -> bool:
    """The subject of this verified certificate is the station: its serial number or its identity (SEC-22)."""
    if certificate is None:
        return False
    try:
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return False
    return any(name.value and name.value in (record.id, record.serial_number) for name in names)


class Authenticator:
    """Asked last of all: what the plugins leave undecided is decided here."""

    name = "kernel"

    def __init__(self, access: Access, book: StationBook, credentials: CredentialBook, env: Env, hooks: Hooks) -> None:
        self._access, self._book, self._credentials, self._env = access, book, credentials, env
        self._hooks = hooks

    @hookimpl(trylast=True)
    def judge_certificate(self) -> str:
        """What no plugin objects to counts."""
        return ""

    @hookimpl(trylast=True)
    def authenticate_station(self, request: ConnectRequest) -> Verdict | Pending[Verdict]:
        """Answers at once, unless a password that a person chose has to be checked."""
        record = self._book.look_up(request.station_id)
        claim = read_basic(request.authorization, request.station_id)
        certificate = request.client_certificate
        if record is None or certificate is None or not is_certificate_of(record, certificate):
            return self._with_claim(request, record, claim, has_certificate=False)

        def judged(objection: str) -> Pending[Verdict]:
            shown = claim
            if objection:
                shown = claim._replace(complaint=f"the certificate does not count: {objection}")
                about = {"station": request.station_id, "peer": request.peer}
                log.warning("%r from %s: %s", request.station_id, request.peer, shown.complaint, extra=about)
            verdict = self._with_claim(request, record, shown, has_certificate=not objection)
            return verdict if isinstance(verdict, Pending) else Pending[Verdict].of(verdict)

        # Silence is impossible, since the kernel answers; a plugin that fails objects.
        return self._hooks.ask_decision(UNJUDGED, judge_certificate, record, certificate).then(judged)

    def _with_claim(
        self, request: ConnectRequest, record: StationRecord | None, claim: Claim, *, has_certificate: bool
    ) -> Verdict | Pending[Verdict]:
        is_superfluous = has_certificate and record is not None and not _prefers_password(record)  # WS-26
        if claim.password is None or is_superfluous:
            return self._judge(request, record, claim, WRONG, has_certificate=has_certificate)
        match = self._credentials.verify(request.station_id, claim.password)
        if not isinstance(match, Pending):
            return self._judge(request, record, claim, match, has_certificate=has_certificate)
        verdict: Pending[Verdict] = Pending()

        def checked(match: Match | None, error: BaseException | None) -> None:
            if match is None:
                verdict.settle(self._busy(error))
            else:
                # Record and secrets as they are now: they may have been changed while the password was checked.
                now = self._book.look_up(request.station_id)
                if not self._credentials.is_valid(request.station_id, match):
                    match = WRONG
                verdict.settle(self._judge(request, now, claim, match, has_certificate=has_certificate))

        match.when_settled(checked)
        return verdict

    def recognises(self, request: ConnectRequest) -> bool:
        """Was something shown that nobody can guess, a random key or a certificate? No verdict yet (WS-25)."""
        record = self._book.look_up(request.station_id)
        if record is None:
            return False
        password = read_basic(request.authorization, record.id).password
        if password is not None and self._credentials.recognises(record.id, password):
            return True
        return is_certificate_of(record, request.client_certificate)

    async def enrol(self, request: ConnectRequest) -> None:
        """Trial mode: register a station at first contact; the password it shows is its own from now on (WS-07)."""
        password = read_basic(request.authorization, request.station_id).password
        digest = await self._credentials.digest_presented(password) if password else None
        await self._book.enrol(request.station_id, digest)
        log.warning(
            "TRIAL MODE: %r from %s is registered at first contact, %s; do not leave unknown_stations = register on",
            request.station_id,
            request.peer,
            "with the password it showed" if password else "without a password",
            extra={"station": request.station_id, "peer": request.peer},
        )

    def _judge(
        self,
        request: ConnectRequest,
        record: StationRecord | None,
        claim: Claim,
        match: Match,
        *,
        has_certificate: bool,
    ) -> Verdict:
        if record is None:
            return self._judge_unknown(request, claim)
        profile = _effective_profile(request, record, is_password_right=match.is_right, has_certificate=has_certificate)
        if profile == 0 and not self._may_come_without(record):
            return Verdict(False, _complaint(record, claim))
        if not self._fits(record, profile):
            cause = f"the charger came with security profile {profile}, its record says {record.security_profile}"
            return Verdict(False, cause, profile, stage="profile")
        if match.is_right:
            self._credentials.used(record.id, match)
        return Verdict(True, "", profile)

    def _judge_unknown(self, request: ConnectRequest, claim: Claim) -> Verdict:
        if self._access.unknown_stations == "refuse":
            return UNKNOWN
        if not claim.password and self._access.authentication == "required":
            return Verdict(False, claim.complaint or "the charger sent an empty password")
        return Verdict(True, "", _basic_profile(request) if claim.password else 0)

    def _fits(self, record: StationRecord, profile: int) -> bool:
        """SEC-02; while it is being raised the old and the new one fit (SEC-42)."""
        own = record.security_profile
        is_higher = self._access.profile_rule == "minimum" and own is not None and profile > own
        return own in (None, profile) or profile == record.profile_upgrade_to or is_higher

    def _may_come_without(self, record: StationRecord) -> bool:
        if self._access.authentication == "optional":
            return not record.has_credentials
        return self._access.authentication == "none"

    def _busy(self, error: BaseException | None) -> Verdict:
        log.warning("a password could not be checked: %s", error)
        pause = self._env.random.randint(*BUSY_PAUSE)
        return Verdict(False, "csmsd could not check the password in time", stage="readiness", retry_after=pause)


def _effective_profile(
    request: ConnectRequest, record: StationRecord, *, is_password_right: bool, has_certificate: bool
) -> int:
    """SEC-02: with both proofs it is the one of 2 and 3 that the record names."""
    if has_certificate and not (is_password_right and _prefers_password(record)):
        return 3
    return _basic_profile(request) if is_password_right else 0


def _prefers_password(record: StationRecord) -> bool:
    return record.security_profile == 2 and record.profile_upgrade_to != 3


def _basic_profile(request: ConnectRequest) -> int:
    return 2 if request.is_tls else 1


def _complaint(record: StationRecord, claim: Claim) -> str:
    if claim.password is None:
        return claim.complaint
    return "the password is wrong" if record.has_credentials else "no password is set for this station"

"""Builds of csmsd that are broken where no plugin and no operator reaches: each turns exactly its cases red."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from csmsd import Config
from csmsd._kernel.transport import tls, upgrade
from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.config import Access
from csmsd_certification.cases import select
from csmsd_certification.local import open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult
from csmsd_certification.running import run_cases
from tests.plugins.certification.broken import Change, Tampering, with_value, without

PLUGINS = ("core", "firmware", "localauth", "security", "smartcharging")
TLS_CASES = ("TC_073", "TC_083", "TC_086", "TC_087", "TC_088")
SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)


async def red_ones(*ids: str, **access: Any) -> dict[str, tuple[str, str]]:
    """Step and finding of the cases that fail, of those named."""
    async with open_local(Config(plugins=PLUGINS, access=Access(**access))) as central:
        report = await run_cases(central, select(ids), timeout=3, at_once=4)
    return _failures(report.cases)


def _failures(cases: Sequence[CaseResult]) -> dict[str, tuple[str, str]]:
    return {case.id: (case.failure.step, case.failure.got) for case in cases if case.failure is not None}


async def test_an_intact_build_turns_none_red() -> None:
    assert await red_ones(*TLS_CASES, "TC_001", "TC_003", "TC_043_4", "TC_056", "TC_059", "TC_067", "TC_074") == {}


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.req("TC_086", "TC_087")
@pytest.mark.parametrize("suite", SUITES)
async def test_each_suite_that_is_not_offered(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [each for each in tls.SUITES.split(":") if each != suite]
    monkeypatch.setattr(tls, "SUITES", ":".join(offered))
    found = await red_ones(*TLS_CASES)
    assert {case_id: step for case_id, (step, _) in found.items()} == dict.fromkeys(
        ("TC_086", "TC_087"), f"TLS 1.2 with {suite}"
    )


@pytest.mark.req("TC_086", "TC_087")
@pytest.mark.parametrize("older", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_each_older_version_that_is_served(older: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    intact = tls.server_context

    def lenient(*args: Any) -> ssl.SSLContext:
        context = intact(*args)
        context.set_ciphers(f"{tls.SUITES}:AES128-SHA:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            context.minimum_version = older
        if older == ssl.TLSVersion.TLSv1:  # and then nothing up to 1.2
            with pytest.warns(DeprecationWarning, match="deprecated"):
                context.options |= ssl.OP_NO_TLSv1_1
        return context

    monkeypatch.setattr(tls, "server_context", lenient)
    found = await red_ones(*TLS_CASES)
    assert {case_id: step for case_id, (step, _) in found.items()} == dict.fromkeys(("TC_086", "TC_087"), "TLS 1.1")
    hello = f"0200[0-9a-f]{{4}}{older.value:04x}"  # its type, its length, the version that was chosen
    assert all(re.search(hello, got) for _, got in found.values())


@pytest.mark.req("TC_086")
async def test_a_key_that_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    intact = rsa.generate_private_key

    def short(public_exponent: int, _bits: int) -> rsa.RSAPrivateKey:
        return intact(public_exponent, 1024)

    monkeypatch.setattr(rsa, "generate_private_key", short)
    monkeypatch.setattr(tls, "MIN_RSA_BITS", 1024)
    monkeypatch.setattr(tls, "SUITES", f"{tls.SUITES}:@SECLEVEL=0")
    assert await red_ones(*TLS_CASES) == {"TC_086": ("the server's certificate: key", "1024")}


@pytest.mark.req("TC_086")
async def test_a_certificate_of_another_name() -> None:
    async with open_local(Config(plugins=("core",))) as central:
        tampering = Tampering(central, {})
        tampering.tls_url = central.tls_url.replace("localhost", "127.0.0.1")
        report = await run_cases(tampering, select(("TC_086", "TC_087")), timeout=3, at_once=4)
    assert _failures(report.cases) == {"TC_086": ("the server's certificate: CN", "['localhost']")}, as_text(report)


# -- the upgrade -------------------------------------------------------------------------------------------------------


@pytest.mark.req("TC_088")
async def test_an_upgrade_that_names_no_subprotocol(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(key: bytes, *, with_subprotocol: bool = True) -> bytes:
        return upgrade.switching_protocols(key, with_subprotocol=False)

    monkeypatch.setattr("csmsd._kernel.transport.guest.switching_protocols", forgetful)
    assert await red_ones("TC_088") == {"TC_088": ("connect", "None")}


@pytest.mark.req("TC_088")
async def test_an_upgrade_without_a_common_subprotocol() -> None:
    found = await red_ones("TC_003", "TC_085", "TC_088", subprotocol_mismatch="accept_and_close")
    assert found == {"TC_088": ("connect with ocpp0.1 only", "HTTP 101")}


# -- payloads that are wrong when nobody looks at them any more --------------------------------------------------------


def _changed(payload: bytes, change: Change) -> bytes:
    return json.dumps(change(json.loads(payload))).encode()


@pytest.mark.parametrize(
    ("case", "action", "field"),
    [
        pytest.param("TC_001", "Heartbeat", "currentTime", marks=pytest.mark.req("TC_001")),
        pytest.param("TC_001", "BootNotification", "interval", marks=pytest.mark.req("TC_001")),
        pytest.param("TC_003", "StartTransaction", "transactionId", marks=pytest.mark.req("TC_003")),
        pytest.param("TC_037_3", "StartTransaction", "transactionId", marks=pytest.mark.req("TC_037_3")),
    ],
)
async def test_an_answer_that_lacks_a_field(
    case: str, action: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = AnyAction.encode

    def encode(self: AnyAction, response: Any, *, whole_seconds: bool = False) -> bytes:
        payload = intact(self, response, whole_seconds=whole_seconds)
        return _changed(payload, without(field)) if self.name == action else payload

    monkeypatch.setattr("csmsd.action.Action.encode", encode)
    found = await red_ones(case, "TC_023_1")
    assert list(found) == [case]
    assert found[case][0] == f"{action}.conf"
    assert field in found[case][1]


_PROFILE, _ENTRIES = "csChargingProfiles", "localAuthorizationList"


def _reissued(
    change: Callable[[x509.CertificateBuilder, x509.Certificate], x509.CertificateBuilder],
    digest: hashes.SHA224 | hashes.SHA256 | None = None,
) -> Change:
    """The certificate that a station has asked for, but something about it is not as in its request."""

    def reissue(payload: dict[str, Any]) -> dict[str, Any]:
        leaf = x509.load_pem_x509_certificate(payload["certificateChain"].encode())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .serial_number(leaf.serial_number)
            .issuer_name(leaf.issuer)
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=1))
        )
        certificate = change(builder, leaf).sign(ec.generate_private_key(ec.SECP256R1()), digest or hashes.SHA256())
        return {"certificateChain": certificate.public_bytes(serialization.Encoding.PEM).decode()}

    return reissue


def _of_another_key(builder: x509.CertificateBuilder, leaf: x509.Certificate) -> x509.CertificateBuilder:
    return builder.subject_name(leaf.subject).public_key(ec.generate_private_key(ec.SECP256R1()).public_key())


def _as_requested(builder: x509.CertificateBuilder, leaf: x509.Certificate) -> x509.CertificateBuilder:
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return builder.subject_name(leaf.subject).public_key(key)


def _of_another_name(builder: x509.CertificateBuilder, leaf: x509.Certificate) -> x509.CertificateBuilder:
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody-else")])).public_key(key)


@pytest.mark.parametrize(
    ("case", "action", "change", "step"),
    [
        ("TC_043_4", "SendLocalList", without(_ENTRIES, "0", "idTagInfo"), "SendLocalList.req"),
        ("TC_056", "SetChargingProfile", with_value(_PROFILE, "transactionId", value=1), "SetChargingProfile.req"),
        (
            "TC_056",
            "SetChargingProfile",
            with_value(_PROFILE, "recurrencyKind", value="Daily"),
            "SetChargingProfile.req",
        ),
        (
            "TC_057",
            "SetChargingProfile",
            with_value(_PROFILE, "recurrencyKind", value="Daily"),
            "SetChargingProfile.req",
        ),
        (
            "TC_059",
            "RemoteStartTransaction",
            with_value("chargingProfile", "recurrencyKind", value="Daily"),
            "RemoteStartTransaction.req",
        ),
        (
            "TC_059",
            "RemoteStartTransaction",
            with_value("chargingProfile", "transactionId", value=1),
            "RemoteStartTransaction.req",
        ),
        ("TC_067", "ClearChargingProfile", with_value("connectorId", value=1), "ClearChargingProfile.req"),
        (
            "TC_074",
            "CertificateSigned",
            with_value("certificateChain", value="no PEM"),
            "CertificateSigned.req certificateChain",
        ),
        ("TC_074", "CertificateSigned", _reissued(_of_another_key), "CertificateSigned.req certificateChain: key"),
        ("TC_074", "CertificateSigned", _reissued(_of_another_name), "CertificateSigned.req certificateChain: subject"),
        (
            "TC_074",
            "CertificateSigned",
            _reissued(_as_requested, hashes.SHA224()),
            "CertificateSigned.req certificateChain: signature",
        ),
        # As requested, but by an issuer that nobody knows.
        ("TC_074", "CertificateSigned", _reissued(_as_requested), "connect"),
        ("TC_080", "SignedUpdateFirmware", without("firmware", "signingCertificate"), "SignedUpdateFirmware.req"),
    ],
)
async def test_a_command_that_is_changed_behind_every_check(
    case: str, action: str, change: Change, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = AnyCommand.encode

    def encode(self: AnyCommand, request: Any, *, whole_seconds: bool = False) -> bytes:
        payload = intact(self, request, whole_seconds=whole_seconds)
        return _changed(payload, change) if self.name == action else payload

    monkeypatch.setattr("csmsd.command.Command.encode", encode)
    found = await red_ones(case, "TC_013")
    assert list(found) == [case]
    assert found[case][0] == step
    assert "refused" not in found[case][1]

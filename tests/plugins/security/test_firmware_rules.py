"""What is doubtful about a signed update is said before it is sent, and it is sent all the same."""

from __future__ import annotations

import pytest

from csmsd_security.messages import (
    Firmware,
    InstallCertificate,
    InstallCertificateResponse,
    SignedUpdateFirmware,
    SignedUpdateFirmwareResponse,
)
from tests.plugins.security.conftest import START, Site
from tests.plugins.security.pki import ec_key, issue, name, pem_of

ROOT_KEY, OTHER_KEY = ec_key(), ec_key()
ROOT = issue(ROOT_KEY, name("maker's root"), START, days=365)
OTHER_ROOT = issue(OTHER_KEY, name("other root"), START, days=365)


def update(certificate: str, signature: str = "c2ln") -> SignedUpdateFirmware:
    return SignedUpdateFirmware(1, Firmware("https://files.example/f", START, certificate, signature))


async def know_root(site: Site) -> None:
    request = InstallCertificate("ManufacturerRootCertificate", pem_of(ROOT))
    await site.submit("InstallCertificate", request, InstallCertificateResponse("Accepted"))


@pytest.mark.req("SEC-76")
async def test_a_certificate_of_the_makers_root_is_in_order(site: Site) -> None:
    await know_root(site)
    signing = issue(ec_key(), name("signer"), START, issuer=(ROOT_KEY, ROOT))
    assert site.warnings("SignedUpdateFirmware", update(pem_of(signing))) == []


@pytest.mark.req("SEC-75", "SEC-76", "TC_081", "OP-02")
async def test_findings_are_warnings_and_it_is_sent_all_the_same(site: Site) -> None:
    await know_root(site)
    foreign = issue(ec_key(), name("signer"), START, issuer=(OTHER_KEY, OTHER_ROOT))
    expired = issue(ec_key(), name("signer"), START, issuer=(ROOT_KEY, ROOT), days=-1)
    for certificate, finding in ((pem_of(foreign), "manufacturer"), (pem_of(expired), "not valid"), ("x", "PEM")):
        assert finding in " ".join(site.warnings("SignedUpdateFirmware", update(certificate)))
    request = update("x", "no base64!")
    assert "base64" in " ".join(site.warnings("SignedUpdateFirmware", request))
    record = await site.submit("SignedUpdateFirmware", request, SignedUpdateFirmwareResponse("Accepted"))
    assert record.state == "answered"
    assert site.sent("SignedUpdateFirmware")["firmware"]["signature"] == "no base64!"

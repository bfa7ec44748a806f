"""Root certificates in stations: installed, listed, named, deleted."""

from __future__ import annotations

from typing import get_args

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from csmsd_security.hash_data import ALGORITHMS, hash_data, key_of
from csmsd_security.messages import (
    CertificateHashData,
    CertificateUse,
    DeleteCertificate,
    DeleteCertificateResponse,
    GetInstalledCertificateIds,
    GetInstalledCertificateIdsResponse,
    HashAlgorithm,
    InstallCertificate,
    InstallCertificateResponse,
)
from tests.plugins.security.conftest import START, Site
from tests.plugins.security.pki import ec_key, issue, name, pem_of

CENTRAL: CertificateUse = "CentralSystemRootCertificate"
ROOT_KEY = ec_key()
ROOT = issue(ROOT_KEY, name("root"), START)


def named(certificate: x509.Certificate, algorithm: HashAlgorithm = "SHA256") -> CertificateHashData:
    data = hash_data(certificate, algorithm)
    assert data is not None
    return data


async def report(site: Site, *found: CertificateHashData, use: CertificateUse = CENTRAL) -> None:
    answer = GetInstalledCertificateIdsResponse("Accepted" if found else "NotFound", found)
    await site.submit("GetInstalledCertificateIds", GetInstalledCertificateIds(use), answer)
    await trio.sleep(1)


@pytest.mark.req("SEC-60", "SEC-61", "SEC-62", "SEC-64", "TC_075_1", "TC_075_2")
@pytest.mark.parametrize("use", get_args(CertificateUse))
async def test_a_root_is_installed_and_found_again_by_its_name(site: Site, use: CertificateUse) -> None:
    request = InstallCertificate(use, pem_of(ROOT))
    await site.submit("InstallCertificate", request, InstallCertificateResponse("Accepted"))
    assert site.sent("InstallCertificate") == {"certificateType": use, "certificate": pem_of(ROOT)}
    await report(site, named(ROOT), use=use)
    assert site.sent("GetInstalledCertificateIds") == {"certificateType": use}
    [found] = site.plugin.installed.of_station("CP-1")
    assert (found.use, found.subject) == (use, "CN=root,O=csmsd")


@pytest.mark.req("SEC-60", "TC_078", "OP-02")
@pytest.mark.parametrize("status", ["Rejected", "Failed"])
async def test_what_is_no_certificate_is_sent_with_a_warning_and_the_refusal_is_shown(site: Site, status: str) -> None:
    request = InstallCertificate(CENTRAL, "nonsense")
    assert "SEC-60" in site.warnings("InstallCertificate", request)[0]
    answer = InstallCertificateResponse(status)  # type: ignore[arg-type]  # a str of that Literal
    record = await site.submit("InstallCertificate", request, answer)
    assert record.result is not None
    assert status.encode() in bytes(record.result)


@pytest.mark.req("SEC-63", "SEC-65", "TC_076")
@pytest.mark.parametrize("algorithm", get_args(HashAlgorithm))
async def test_a_root_is_deleted_by_the_name_that_the_station_gave_it(site: Site, algorithm: HashAlgorithm) -> None:
    reported = named(ROOT, algorithm)
    loud = CertificateHashData(
        algorithm, reported.issuer_name_hash.upper(), reported.issuer_key_hash, reported.serial_number.upper().zfill(40)
    )
    await report(site, loud)
    [found] = site.plugin.installed.of_station("CP-1")
    assert found.hash_data == loud
    request = DeleteCertificate(found.hash_data)
    await site.submit("DeleteCertificate", request, DeleteCertificateResponse("Failed"))
    assert len(site.plugin.installed.of_station("CP-1")) == 1
    await site.submit("DeleteCertificate", request, DeleteCertificateResponse("Accepted"))
    assert site.sent("DeleteCertificate")["certificateHashData"]["issuerNameHash"] == loud.issuer_name_hash
    assert site.plugin.installed.of_station("CP-1") == []


@pytest.mark.req("SEC-62", "SEC-65")
async def test_not_found_means_that_nothing_is_there(site: Site) -> None:
    await report(site, named(ROOT))
    await site.submit("DeleteCertificate", DeleteCertificate(named(ROOT)), DeleteCertificateResponse("NotFound"))
    assert site.plugin.installed.of_station("CP-1") == []
    await report(site, named(ROOT))
    await report(site)
    assert site.plugin.installed.of_station("CP-1") == []


@pytest.mark.req("SEC-63", "SEC-66")
async def test_deleting_the_last_one_or_an_unknown_one_is_warned_of(site: Site) -> None:
    request = DeleteCertificate(named(ROOT))
    assert "SEC-63" in site.warnings("DeleteCertificate", request)[0]
    await report(site, named(ROOT))
    assert "SEC-66" in site.warnings("DeleteCertificate", request)[0]
    await report(site, named(ROOT), named(issue(ec_key(), name("two"), START)))
    assert site.warnings("DeleteCertificate", request) == []


@pytest.mark.req("SEC-67", "SEC-68")
async def test_a_full_store_and_a_root_that_is_not_signed_by_the_old_one_are_warned_of(site: Site) -> None:
    await site.configure(CertificateStoreMaxLength="1", AdditionalRootCertificateCheck="true")
    await report(site, named(ROOT))
    said = " ".join(site.warnings("InstallCertificate", InstallCertificate(CENTRAL, pem_of(ROOT))))
    assert "SEC-67" in said
    assert "SEC-68" in said


@pytest.mark.req("SEC-67", "SEC-68")
async def test_nothing_is_said_of_a_root_that_the_old_one_has_signed_where_there_is_room(site: Site) -> None:
    def said(successor: x509.Certificate) -> str:
        return " ".join(site.warnings("InstallCertificate", InstallCertificate(CENTRAL, pem_of(successor))))

    await site.configure(CertificateStoreMaxLength="2", AdditionalRootCertificateCheck="true")
    old = InstallCertificate(CENTRAL, pem_of(ROOT))
    await site.submit("InstallCertificate", old, InstallCertificateResponse("Accepted"))
    await report(site, named(ROOT))
    other_key = ec_key()
    stranger = issue(other_key, name("stranger"), START)
    assert said(issue(ec_key(), name("root 2"), START, issuer=(ROOT_KEY, ROOT))) == ""
    assert "SEC-67" in said(issue(ec_key(), name("root 2"), START, issuer=(other_key, stranger)))
    assert "SEC-67" in said(stranger)
    await site.configure(CertificateStoreMaxLength="2", AdditionalRootCertificateCheck="false")
    assert said(stranger) == ""


@pytest.mark.req("SEC-64")
@pytest.mark.parametrize("algorithm", get_args(HashAlgorithm))
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_names_are_those_of_ocsp(algorithm: HashAlgorithm, kind: str) -> None:
    key = ec_key() if kind == "ec" else rsa.generate_private_key(65_537, 2048)
    root = issue(key, name("root"), START)
    leaf = issue(ec_key(), name("leaf"), START, issuer=(key, root))
    data = hash_data(leaf, algorithm, root)
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, root, ALGORITHMS[algorithm]).build()
    assert data == CertificateHashData(
        algorithm, asked.issuer_name_hash.hex(), asked.issuer_key_hash.hex(), f"{leaf.serial_number:x}"
    )
    assert asked.public_bytes(Encoding.DER)


@pytest.mark.req("SEC-64")
def test_names_are_compared_without_regard_to_case_and_leading_zeros() -> None:
    data = CertificateHashData("SHA256", "ab", "cd", "0")
    assert key_of(data) == key_of(CertificateHashData("SHA256", "AB", "CD", "000"))
    assert key_of(data) != key_of(CertificateHashData("SHA384", "ab", "cd", "0"))

"""A second opinion: what csmsd issues, revokes and passes on is judged by openssl, not by the library that made it."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from csmsd_security.authority import Authority, KeyType
from csmsd_security.messages import (
    CertificateSignedResponse,
    Firmware,
    SignCertificate,
    SignedUpdateFirmware,
    SignedUpdateFirmwareResponse,
)
from csmsd_security.requests import PublicKey
from tests.plugins.security.conftest import START, OpenSsl, Site
from tests.plugins.security.pki import Key, ec_key, issue, key_pem, name, pem_of

RSA_KEY, EC_KEY = rsa.generate_private_key(65_537, 2048), ec_key()
SIGNATURES = {"rsa": "sha256WithRSAEncryption", "ecdsa": "ecdsa-with-SHA256"}
AT = str(int(START.timestamp()) + 60)


class Judge:
    """openssl, with a clock that shows the tests' time."""

    def __init__(self, openssl: OpenSsl, folder: Path) -> None:
        self.openssl, self._folder = openssl, folder

    def file(self, file_name: str, content: str) -> Path:
        path = self._folder / file_name
        path.write_text(content)
        return path

    def verify(self, root: str, certificate: str, *options: str | Path, at: str = AT) -> None:
        """AssertionError with what it objects to."""
        files = ["-CAfile", self.file("root.pem", root), *options, self.file("leaf.pem", certificate)]
        self.openssl("verify", "-x509_strict", "-attime", at, *files)

    def text(self, certificate: str) -> str:
        return self.openssl("x509", "-noout", "-text", "-in", self.file("shown.pem", certificate))


@pytest.fixture
def judge(openssl: OpenSsl, tmp_path: Path) -> Judge:
    return Judge(openssl, tmp_path)


@pytest.mark.req("SEC-53", "SEC-07")
@pytest.mark.parametrize(
    ("kinds", "key", "wanted"),
    [
        (("ecdsa", "rsa"), RSA_KEY.public_key(), "rsa"),
        (("ecdsa", "rsa"), EC_KEY.public_key(), "ecdsa"),
        (("ecdsa",), RSA_KEY.public_key(), "ecdsa"),
        (("rsa",), EC_KEY.public_key(), "rsa"),
    ],
)
def test_what_is_issued_is_for_clients_and_by_the_key_type_of_the_request_or_the_one_there_is(
    judge: Judge, tmp_path: Path, kinds: tuple[KeyType, ...], key: PublicKey, wanted: str
) -> None:
    authority = Authority(tmp_path / "authority")
    for number, kind in enumerate(kinds):
        authority.create(kind, "ACME", number + 1, START)
    chain = authority.sign(key, common_name="SN-1", organisation="ACME", serial_number=0xC0FFEE, now=START, days=30)
    assert chain.count("BEGIN") == 1  # the root is left out
    root = authority.roots[wanted].pem
    judge.verify(root, root)
    judge.verify(root, chain, "-purpose", "sslclient")
    with pytest.raises(AssertionError, match="unsuitable certificate purpose"):
        judge.verify(root, chain, "-purpose", "sslserver")
    with pytest.raises(AssertionError, match="expired"):
        judge.verify(root, chain, at=str(int(AT) + 30 * 86_400))
    text = judge.text(chain)
    usage = "Digital Signature, Key Encipherment\n" if isinstance(key, rsa.RSAPublicKey) else "Digital Signature\n"
    issuer = f"Issuer: O = ACME, CN = ACME stations ({wanted.upper()})"
    for fact in (SIGNATURES[wanted], "(0xc0ffee)", "CA:FALSE", "TLS Web Client Authentication", usage, issuer):
        assert fact in text
    assert "Subject: O = ACME, CN = SN-1" in text
    for fact in (SIGNATURES[wanted], "CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"):
        assert fact in judge.text(root)


@pytest.mark.req("SEC-50", "SEC-53", "SEC-56", "SEC-23", "TC_074")
async def test_from_an_openssl_request_over_the_renewal_to_the_revocation(site: Site, judge: Judge) -> None:
    root = site.plugin.authority.create("ecdsa", "csmsd", 1, START).pem
    site.station.behaviour["CertificateSigned"] = CertificateSignedResponse("Accepted")
    chains: list[str] = []
    for number, kind in enumerate(("rsa:2048", "ec")):
        key, csr = f"{number}.key", f"{number}.csr"
        more = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else []
        subject = ["-subj", "/O=csmsd/CN=SN-1"]
        judge.openssl("req", "-new", "-nodes", "-newkey", kind, *more, *subject, "-keyout", key, "-out", csr)
        request = SignCertificate(judge.openssl("req", "-in", csr))
        answer = await site.station.send_raw("SignCertificate", msgspec.json.encode(request))
        assert b"Accepted" in answer
        await trio.sleep(1)
        chains.append(site.sent("CertificateSigned")["certificateChain"])
        judge.verify(root, chains[-1], "-purpose", "sslclient")
        shown = judge.openssl("x509", "-noout", "-pubkey", "-in", judge.file("shown.pem", chains[-1]))
        assert shown == judge.openssl("pkey", "-in", key, "-pubout")
    numbers = {judge.openssl("x509", "-noout", "-serial", "-in", judge.file("shown.pem", each)) for each in chains}
    assert len(numbers) == 2
    newer, older = site.plugin.certificates.book.of_station("CP-1")
    await site.plugin.certificates.revoke(older.id, actor="op")
    lists = judge.file("crl.pem", site.plugin.certificates.revocation_lists())
    judge.openssl("crl", "-noout", "-in", lists, "-verify", "-CAfile", judge.file("root.pem", root))
    text = judge.openssl("crl", "-noout", "-text", "-in", lists)
    assert "X509v3 CRL Number" in text  # RFC 5280 wants both
    assert "X509v3 Authority Key Identifier" in text
    now = site.host.env.now().timestamp()
    slow = str(int(now) - 3_000)  # a clock that is 50 minutes behind
    judge.verify(root, newer.chain, "-crl_check", "-CRLfile", lists, at=slow)
    with pytest.raises(AssertionError, match="certificate revoked"):
        judge.verify(root, older.chain, "-crl_check", "-CRLfile", lists, at=slow)


@pytest.mark.req("SEC-75", "TC_080")
@pytest.mark.parametrize(
    ("key", "padding"), [(RSA_KEY, "pkcs1"), (RSA_KEY, "pss"), (EC_KEY, "")], ids=["RSA", "RSA-PSS", "ECDSA"]
)
async def test_the_signature_of_firmware_is_good_where_the_station_gets_it(
    site: Site, judge: Judge, tmp_path: Path, key: Key, padding: str
) -> None:
    (tmp_path / "image.bin").write_bytes(bytes(range(256)) * 400)
    options = ["-sigopt", f"rsa_padding_mode:{padding}"] if padding else []
    signer = judge.file("signer.key", key_pem(key))
    judge.openssl("dgst", "-sha256", *options, "-sign", signer, "-out", "image.sig", "image.bin")
    signature = base64.b64encode((tmp_path / "image.sig").read_bytes()).decode()
    certificate = pem_of(issue(key, name("firmware signer", "maker"), START, days=365))
    firmware = Firmware("https://files.example/image.bin", START, certificate, signature)
    answer = SignedUpdateFirmwareResponse("Accepted")
    await site.submit("SignedUpdateFirmware", SignedUpdateFirmware(1, firmware), answer)
    sent = site.sent("SignedUpdateFirmware")["firmware"]
    (tmp_path / "sent.sig").write_bytes(base64.b64decode(sent["signature"], validate=True))
    public = judge.openssl("x509", "-noout", "-pubkey", "-in", judge.file("sent.pem", sent["signingCertificate"]))
    check = ["-verify", judge.file("public.pem", public), "-signature", "sent.sig"]
    assert "Verified OK" in judge.openssl("dgst", "-sha256", *options, *check, "image.bin")
    judge.openssl("verify", "-attime", AT, "-CAfile", "sent.pem", "sent.pem")
    wanted = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert public == wanted

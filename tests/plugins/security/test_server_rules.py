"""What is said of csmsd's own certificates, before and while it serves (SEC-08)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import trio
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from csmsd.cli.main import csmsd
from csmsd.config import Access, Config, Listen
from csmsd.env import Env
from csmsd.testing import open_test_csms
from csmsd_security import SecurityConfig
from csmsd_security.server_rules import about_server
from tests.plugins.security.conftest import START, virtual_env
from tests.plugins.security.pki import Key, ec_key, key_pem, name, pem_of

RSA_KEY = rsa.generate_private_key(65_537, 2048)
LONG_RSA_KEY = rsa.generate_private_key(65_537, 3072)
EC_KEY = ec_key()
SUBJECT = name("charge.example", "ACME")
SIGNS = "digital_signature"
ENCIPHERS = "key_encipherment"


@dataclass(frozen=True)
class Wanted:
    """A server certificate that nobody objects to, or one with a flaw."""

    key: Key = EC_KEY
    subject: x509.Name = SUBJECT
    days: float = 365
    begins: timedelta = timedelta(hours=-1)
    usage: tuple[str, ...] | None = (SIGNS, ENCIPHERS)
    use: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH

    def write(self, path: Path) -> Path:
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(name("root", "ACME"))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(START + self.begins)
            .not_valid_after(START + timedelta(days=self.days))
        )
        if self.usage is not None:
            flags = dict.fromkeys(
                ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
            )
            flags |= {flag: flag in self.usage for flag in (SIGNS, ENCIPHERS)}
            usage = x509.KeyUsage(encipher_only=False, decipher_only=False, **flags)
            builder = builder.add_extension(usage, critical=True)
        if self.use is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([self.use]), critical=False)
        path.write_text(pem_of(builder.sign(EC_KEY, hashes.SHA256())))
        path.with_suffix(".key").write_text(key_pem(self.key))
        return path


GOOD = Wanted()
Listening = Callable[..., Listen]


@pytest.fixture
def listening(tmp_path: Path) -> Listening:
    def make(*certificates: Wanted, url: str = "wss://charge.example/ocpp") -> Listen:
        files = tuple(each.write(tmp_path / f"{number}.pem") for number, each in enumerate(certificates))
        keys = tuple(path.with_suffix(".key") for path in files)
        return Listen(ocpp="", http="", ocpp_tls="127.0.0.1:0", certificate=files, private_key=keys, public_url=url)

    return make


def remarks(listen: Listen, **security: object) -> Sequence[str]:
    config = msgspec.convert({"cpo_name": "ACME", **security}, SecurityConfig)
    return [remark.removeprefix(f"{listen.certificate[0].parent}/") for remark in about_server(listen, config, START)]


@pytest.mark.req("SEC-08", "SEC-06")
@pytest.mark.parametrize("url", ["wss://charge.example/ocpp", "wss://Charge.Example:9443", "", "wss://10.0.0.1/ocpp"])
def test_nothing_is_said_of_an_rsa_and_an_ecdsa_certificate_in_order(listening: Listening, url: str) -> None:
    assert remarks(listening(replace(GOOD, key=RSA_KEY), GOOD, url=url)) == []


@pytest.mark.req("SEC-08", "SEC-07")
@pytest.mark.parametrize(
    ("flawed", "sentence"),
    [
        (replace(GOOD, subject=name("charge.example", "Acme")), "its organisation (O) says 'Acme', but "),
        (replace(GOOD, subject=x509.Name(list(name("charge.example"))[1:])), "its organisation (O) is missing, but "),
        (replace(GOOD, subject=name("other.example", "ACME")), "have one issued for charge.example "),
        (replace(GOOD, subject=name("*.example", "ACME")), "its common name (CN) says '*.example': "),
        (replace(GOOD, subject=x509.Name(list(name("x", "ACME"))[:1])), "its common name (CN) is missing: "),
        (replace(GOOD, days=-1, begins=timedelta(days=-9)), "it has expired at 2025-12-31 12:00 UTC: "),
        (replace(GOOD, begins=timedelta(seconds=1)), "it is not valid before 2026-01-01 12:00 UTC: "),
        (replace(GOOD, days=29), "it expires at 2026-01-30 12:00 UTC: "),
        (replace(GOOD, usage=None), "it has no keyUsage: "),
        (replace(GOOD, usage=(ENCIPHERS,)), "its keyUsage lacks digitalSignature, "),
        (replace(GOOD, use=ExtendedKeyUsageOID.CLIENT_AUTH), "its extended key usage is not for servers: "),
    ],
)
def test_each_flaw_is_one_sentence(listening: Listening, flawed: Wanted, sentence: str) -> None:
    [remark] = remarks(listening(replace(GOOD, key=RSA_KEY), flawed))
    assert remark.startswith("1.pem: ")
    assert sentence in remark
    assert "(SEC-08)" in remark


@pytest.mark.req("SEC-08", "SEC-07")
def test_what_only_rsa_keys_need(listening: Listening) -> None:
    [remark] = remarks(listening(replace(GOOD, key=RSA_KEY, usage=(SIGNS,)), GOOD))
    assert "lacks keyEncipherment" in remark
    [remark] = remarks(listening(replace(GOOD, key=LONG_RSA_KEY), GOOD))
    assert "its RSA key has 3072 bits" in remark
    assert remarks(listening(replace(GOOD, key=RSA_KEY), replace(GOOD, usage=(SIGNS,)))) == []


@pytest.mark.req("SEC-08")
@pytest.mark.parametrize("address", ["10.0.0.1", "localhost", "::1", "wss://charge.example", "charge.example."])
def test_without_a_public_url_any_full_domain_name_is_good_and_nothing_else(listening: Listening, address: str) -> None:
    pair = [replace(GOOD, key=key, subject=name(address, "ACME")) for key in (RSA_KEY, EC_KEY)]
    assert len(remarks(listening(*pair, url=""))) == 2
    assert all("its common name (CN) says" in remark for remark in remarks(listening(*pair, url="")))


@pytest.mark.req("SEC-06")
@pytest.mark.parametrize(("key", "missing"), [(RSA_KEY, "ECDSA"), (EC_KEY, "RSA")])
def test_one_kind_of_certificate_is_too_little(listening: Listening, key: Key, missing: str) -> None:
    [remark] = remarks(listening(replace(GOOD, key=key)))
    assert remark.startswith(f"listen.certificate names no {missing} certificate: ")


def test_files_that_cannot_be_used_and_a_listener_without_tls_are_no_matter_of_remarks(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("nothing")
    files = (tmp_path / "missing.pem", tmp_path / "junk.pem")
    assert remarks(Listen(ocpp_tls="127.0.0.1:0", certificate=files)) == []
    assert remarks(Listen(certificate=(GOOD.write(tmp_path / "0.pem"),))) == []


@pytest.mark.req("SEC-08")
def test_check_prints_remarks_and_finds_no_problem(listening: Listening) -> None:
    listen = listening(replace(GOOD, days=36_500), replace(GOOD, key=RSA_KEY, days=36_500))
    flags = [f"--listen-certificate={','.join(map(str, listen.certificate))}"]
    flags += [f"--listen-private-key={','.join(map(str, listen.private_key))}", "--listen-ocpp-tls=127.0.0.1:0"]
    flags += ["--plugins=core,security"]
    result = CliRunner().invoke(csmsd, ["check", *flags])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("remark: ") == 2
    assert "remark: " + str(listen.certificate[0]) in result.stdout
    assert result.stdout.endswith("2 remark(s), no problem\n")
    result = CliRunner().invoke(csmsd, ["check", *flags], env={"CSMSD_PLUGIN_SECURITY_CPO_NAME": "ACME"})
    assert result.stdout.endswith("everything is in order\n"), result.output


@pytest.mark.req("SEC-08")
async def test_a_start_tells_them_and_so_does_every_day(listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    def told() -> list[str]:
        return [each.message for each in caplog.records if "SEC-08" in each.message]

    env: Env = virtual_env()
    listen = listening(replace(GOOD, key=RSA_KEY), replace(GOOD, days=31.5))
    config = Config(listen=listen, access=Access(authentication="none"), plugin={"security": {"cpo_name": "ACME"}})
    async with open_test_csms(
        plugins=["core", "security"], config=config, env=env, data_dir=listen.certificate[0].parent
    ) as csms:
        assert told() == []
        with csms.host.events.watch(frozenset({"security.server_certificate"})) as events:
            await trio.sleep(2.5 * 86_400)
            assert "expires at 2026-02-02 00:00" in told()[0]
            assert b"expires at" in bytes((await events.receive()).data)
        assert len(told()) == 1
        await trio.sleep(86_400)
        assert len(told()) == 2

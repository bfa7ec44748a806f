"""csmsd's TLS listener as testssl.sh sees it, an auditor that knows the known attacks; with both backends."""

from __future__ import annotations

import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
import trio
import trustme

from csmsd import Config, open_csms
from csmsd._kernel.house import House
from csmsd.config import Limits, Listen

SCANNER = shutil.which("testssl") or shutil.which("testssl.sh")
PATIENCE = 400  # seconds; a scan takes 25 where nothing else is going on
pytestmark = pytest.mark.timeout(PATIENCE + 20)

TLS_1_3 = "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256"
SAFE = "not vulnerable"
# What must be found, by the scanner's names; a scan that does not say it is no proof.
NEGOTIATED = {
    **dict.fromkeys(("SSLv2", "SSLv3", "TLS1", "TLS1_1"), "not offered"),  # SEC-03
    "TLS1_2": "offered",
    "TLS1_3": "offered with final",
    # SEC-05: the four mandated suites and the two that keep RSA forward secret; no other one
    "cipherorder_TLSv1_2": (
        "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256 "
        "ECDHE-RSA-AES256-GCM-SHA384 AES128-GCM-SHA256 AES256-GCM-SHA384"
    ),
    "cipherorder_TLSv1_3": TLS_1_3,
    "cipher_order": "server",
    **dict.fromkeys(
        ("cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW", "cipherlist_3DES_IDEA"),
        "not offered",
    ),
    "cipherlist_AVERAGE": "not offered",  # CBC, SHA-1
    # SEC-06, SEC-07: one RSA, one ECDSA
    "cert_numbers": "2",
    "cert_signatureAlgorithm <cert#1>": "(SHA256 with RSA|ECDSA with SHA256)",
    "cert_signatureAlgorithm <cert#2>": "(SHA256 with RSA|ECDSA with SHA256)",
    "cert_keySize <cert#1>": "RSA 2048 bits",
    "cert_keySize <cert#2>": "EC 256 bits",
    "scanTime": "[0-9]+",  # it came to its end
}
ATTACKS = {
    "PFS_ECDHE_curves": "((prime256v1|secp384r1|secp521r1|X25519|X448)( |$))+",
    "DH_groups": "(ffdhe[0-9]+( |$))+",  # of TLS 1.3 only, see LOGJAM
    # SEC-09
    "CRIME_TLS": SAFE,
    "secure_renego": "supported",
    "secure_client_renego": SAFE,
    **dict.fromkeys(("heartbleed", "CCS", "ticketbleed", "ROBOT", "POODLE_SSL", "SWEET32", "FREAK", "DROWN"), SAFE),
    **dict.fromkeys(("LOGJAM", "BEAST", "LUCKY13", "RC4"), SAFE),
    "BREACH": SAFE,
    "LOGJAM-common_primes": "no DH key with <= TLS 1.2",
    "fallback_SCSV": "no protocol below TLS 1.2 offered",
    "scanTime": "[0-9]+",
}
HARMLESS = {"OK", "INFO", "DEBUG"}  # severities
TOLERATED = {  # worse findings, and why they are none here
    "engine_problem": "about the scanner's own openssl",
    "sessionresumption_ticket": "the scanner's openssl does not resume in this test",
    "cert_revocation": "a test certificate names no revocation list; the operator's CA decides about its own",
    "cert_chain_of_trust": "stations know the operator's root, the scanner knows the web's",
    "cert_validityPeriod": "a certificate of the test's CA",
    "cert_expirationStatus": "a certificate of the test's CA",
}


class Finding(msgspec.Struct, frozen=True):
    """One line of the report."""

    id: str
    severity: str
    finding: str


def objections(report: Sequence[Finding], policy: dict[str, str]) -> Iterator[str]:
    """What is missing from the policy or contradicts it, and what is worse than harmless without a reason."""
    found = {each.id: each for each in report}
    for name, wanted in policy.items():
        if name not in found:
            yield f"{name}: not looked at"
        elif re.match(wanted + ("" if wanted == SAFE else "$"), found[name].finding.strip()) is None:
            yield f"{name}: {found[name].finding}, not {wanted}"
    for each in report:
        name = each.id.partition(" <")[0]
        if each.severity not in HARMLESS and name not in TOLERATED:
            yield f"{each.id}: {each.severity}: {each.finding}"


@pytest.fixture
def scanner() -> str:
    if SCANNER is not None:
        return SCANNER
    remedy = "testssl.sh is not here, try: apt-get install --no-install-recommends testssl.sh"
    if os.environ.get("CI"):
        pytest.fail(remedy)
    pytest.skip(remedy)


async def scan(scanner: str, port: int, folder: Path, *checks: str) -> list[Finding]:
    """The report; nothing but this port is spoken to."""
    report = folder / "report.json"
    options = ["--quiet", "--color=0", "--warnings=off", "--nodns=none", f"--jsonfile={report}"]
    timeouts = ["--connect-timeout=10", "--openssl-timeout=10"]
    root = f"--add-ca={folder / 'root.pem'}"
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [scanner, *options, *timeouts, root, *checks, f"127.0.0.1:{port}"],
            stdin=b"",
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=folder,
        )
    assert report.exists(), done.stdout.decode()[-2000:]
    return msgspec.json.decode(report.read_bytes(), type=list[Finding])


@pytest.fixture
async def listener(backend: str, tmp_path: Path) -> AsyncIterator[tuple[House, int]]:
    """A whole csmsd with an RSA and an ECDSA certificate, which puts up with many refused handshakes."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "root.pem")
    files = [tmp_path / "rsa.pem", tmp_path / "ecdsa.pem"]
    for path, kind in zip(files, (trustme.KeyType.RSA, trustme.KeyType.ECDSA), strict=True):
        issued = authority.issue_cert("127.0.0.1", common_name="127.0.0.1", key_type=kind)
        issued.private_key_and_cert_chain_pem.write_to_path(path)
    listen = Listen(ocpp="", ocpp_tls="127.0.0.1:0", http="", certificate=tuple(files), private_key=tuple(files))
    limits = Limits(failures_per_minute=1_000_000)
    config = Config(plugins=("core",), data_dir=tmp_path / "data", listen=listen, transport=backend, limits=limits)  # type: ignore[arg-type]  # a str of that Literal
    async with open_csms(config) as csms:
        assert isinstance(csms, House)
        yield csms, csms.listeners["ocpp_tls"].getsockname()[1]


@pytest.mark.req("SEC-03", "SEC-05", "SEC-06", "SEC-07", "SEC-09")
@pytest.mark.parametrize(
    ("checks", "policy"),
    [
        (("--protocols", "--std", "--server-preference", "--server-defaults"), NEGOTIATED),
        (("--vulnerable", "--pfs"), ATTACKS),
    ],
    ids=["negotiated", "attacks"],
)
async def test_an_auditor_finds_what_the_policy_says_and_nothing_worse(
    checks: Sequence[str], policy: dict[str, str], scanner: str, listener: tuple[House, int], tmp_path: Path
) -> None:
    report = await scan(scanner, listener[1], tmp_path, *checks)
    assert list(objections(report, policy)) == []


def be_old(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1


def renegotiate(context: ssl.SSLContext) -> None:
    context.options &= ~ssl.OP_NO_RENEGOTIATION
    context.options |= 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION, without which OpenSSL 3 refuses it anyway


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("backend", ["reactor"])
@pytest.mark.parametrize(
    ("spoil", "checks", "wanted"),
    [
        (be_old, ("--protocols", "--std"), {"TLS1", "TLS1_1", "cipherlist_AVERAGE"}),
        (renegotiate, ("--renegotiation",), {"secure_client_renego"}),
    ],
)
async def test_the_auditor_sees_what_is_spoilt(
    spoil: Callable[[ssl.SSLContext], None],
    checks: Sequence[str],
    wanted: set[str],
    scanner: str,
    listener: tuple[House, int],
    tmp_path: Path,
) -> None:
    """Else the test above proves nothing."""
    house, port = listener
    context = house.tls_contexts["ocpp_tls"]
    assert context is not None
    spoil(context)
    report = await scan(scanner, port, tmp_path, *checks)
    policy = {name: rule for name, rule in (NEGOTIATED | ATTACKS).items() if name in wanted}
    assert {each.partition(":")[0] for each in objections(report, policy)} >= wanted

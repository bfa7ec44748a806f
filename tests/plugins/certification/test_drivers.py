"""`csmsd certify --url`: another central system is certified by its own controls."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from csmsd import Config
from csmsd.client import ApiClient
from csmsd.env import Env
from csmsd.errors import ConfigError, CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Arrival, Station
from csmsd_certification.cases import select
from csmsd_certification.catalogue import Catalogue
from csmsd_certification.central import Outcome
from csmsd_certification.connection import Door
from csmsd_certification.credentials import Credentials
from csmsd_certification.driver import DriverFailed, Target
from csmsd_certification.driver_manual import ManualDriver, ManualOptions
from csmsd_certification.local import open_local
from csmsd_certification.remote import Remote, open_remote
from csmsd_certification.rendering import as_text
from csmsd_certification.results import Failure
from csmsd_certification.running import run_cases
from csmsd_core import Authorize, AuthorizeResponse
from csmsd_core.messages import IdTagInfo
from tests.plugins.certification.broken import Tampering, dropped
from tests.plugins.certification.remote_csmsd import (
    NOWHERE,
    PATIENCE,
    PLUGINS,
    RemoteCsmsd,
    certify,
    open_remote_csmsd,
    reasons,
    verdicts,
)

IMPATIENCE = 2.0  # where something is known not to come
TLS_CASES = {"TC_074", "TC_077", "TC_083", "TC_086", "TC_087"}
BY_CERTIFICATE = {"TC_074", "TC_077", "TC_087"}


# -- the driver csmsd --------------------------------------------------------------------------------------------------


async def test_another_csmsd_passes_everything_by_its_management_api_again_and_again(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        for _ in range(2):  # it remembers the transactions of the first run
            report = await certify(csmsd.by_api())
            assert set(verdicts(report).values()) == {"Pass"}, as_text(report)
            assert list(csmsd.host.stations.records()) == [], "nothing is left"
            await trio.sleep(1)  # names are new every second
        system = report.system
        assert (system.name, system.version) == ("csmsd", version("csmsd"))
        assert {("URL", csmsd.url), ("TLS URL", csmsd.tls_url)} <= set(system.configuration)
        assert ("Driver", f"csmsd, by the management API at {csmsd.api}") in system.configuration
        assert {plugin.name for plugin in report.plugins} >= {"core", "web", "reservation"}


class AcceptsEverybody(Plugin[NoConfig]):
    """Any id tag may charge."""

    name = "broken"
    requires = ("core",)

    @hookimpl
    def authorize(self, station: Station, request: Authorize, arrival: Arrival) -> AuthorizeResponse:
        return AuthorizeResponse(IdTagInfo("Accepted"))

    @hookimpl
    async def guard_command(self, station: Station, command: Any) -> str | None:
        return "not today" if command.name == "UnlockConnector" else None


async def test_what_is_wrong_with_the_other_system_turns_its_case_red(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path, AcceptsEverybody) as csmsd:
        report = await certify(csmsd.by_api(), "TC_003", "TC_017_1", "TC_023_1", timeout=IMPATIENCE)
    assert verdicts(report) == {"TC_003": "Pass", "TC_017_1": "Fail", "TC_023_1": "Fail"}, as_text(report)
    failures = {case.id: case.failure for case in report.cases}
    unlock, authorize = failures["TC_017_1"], failures["TC_023_1"]
    assert unlock is not None
    assert "not today" in unlock.got
    assert unlock.step == "UnlockConnector.req"
    assert authorize == Failure("Authorize.conf idTagInfo.status", "Invalid", "Accepted")


async def test_what_the_other_system_does_not_offer_does_not_count(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        await csmsd.host.plugins.disable("reservation")
        report = await certify(csmsd.by_api(), "TC_046", "TC_003")
    assert report.has_passed
    assert reasons(report) == {"TC_046": "csmsd does not offer ReserveNow"}
    assert {case.id: case.lacking for case in report.cases} == {"TC_003": (), "TC_046": ("ReserveNow",)}


async def test_a_message_that_no_plugin_here_knows_cannot_be_judged(tmp_path: Path) -> None:
    core = [plugin for plugin in PLUGINS if plugin.name == "core"]
    async with (
        open_remote_csmsd(tmp_path) as csmsd,
        open_remote(csmsd.by_api(), core, PATIENCE) as central,
    ):
        report = await run_cases(central, select(["TC_046"]), timeout=PATIENCE, at_once=1)
    assert reasons(report) == {"TC_046": "no plugin here knows ReserveNow: add the one that does to --plugins"}


async def test_a_system_without_tls_has_cases_that_do_not_count(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        report = await certify(msgspec.structs.replace(csmsd.by_api(), tls_url=""), "TC_003", *TLS_CASES)
    assert reasons(report) == dict.fromkeys(TLS_CASES, "no TLS URL is given")
    assert report.has_passed


async def test_a_system_that_trusts_no_authority_of_ours_has_cases_that_do_not_count(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        remote = msgspec.structs.replace(csmsd.by_api(), station_ca=None, station_ca_key=None)
        report = await certify(remote, "TC_003", *TLS_CASES)
    reason = "stations have no certificates that the system would trust: --station-ca is not given"
    assert reasons(report) == dict.fromkeys(BY_CERTIFICATE, reason)
    assert report.has_passed, as_text(report)


async def test_a_system_with_nothing_but_tls_is_certified_with_security_profile_2(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        report = await certify(msgspec.structs.replace(csmsd.by_api(), url=csmsd.tls_url, tls_url=""))
    assert reasons(report) == {"TC_083": "there is no listener for security profile 1 to begin with"}
    assert report.has_passed, as_text(report)


async def test_a_server_certificate_that_is_not_trusted_fails_the_cases_with_tls(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        remote = msgspec.structs.replace(csmsd.by_api(), tls_roots=None)
        report = await certify(remote, "TC_003", "TC_086")
    assert verdicts(report) == {"TC_003": "Pass", "TC_086": "Fail"}
    assert report.cases[1].failure is not None
    assert "certificate verify failed" in report.cases[1].failure.got


def read_only(csmsd: RemoteCsmsd) -> str:
    with ApiClient(csmsd.api, csmsd.token) as client:
        made = client.post("/tokens", {"name": "reader", "scope": "read"})
    return str(msgspec.json.decode(made)["text"])


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (lambda _: "token=csms_wrong", "does not accept the token: give --driver-option token=… or CSMSD_TOKEN"),
        (lambda csmsd: f"token={read_only(csmsd)}", "this needs the scope operate; cli:reader"),
        (lambda _: "api=http://127.0.0.1:9", "no csmsd answers at http://127.0.0.1:9"),
        (
            lambda csmsd: f"api={csmsd.url.replace('ws:', 'http:')}",
            "is not the management API of a csmsd: see --driver-option api",
        ),
        (lambda _: "api=nonsense", "nonsense is no URL of a csmsd"),
    ],
)
async def test_an_api_that_cannot_be_used_is_named_before_the_first_case(
    option: Callable[[RemoteCsmsd], str], complaint: str, tmp_path: Path
) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        given = await trio.to_thread.run_sync(option, csmsd)
        remote = csmsd.remote("csmsd", f"api={csmsd.api}", f"token={csmsd.token}", given)
        with pytest.raises(CsmsdError, match=re.escape(complaint)):
            async with open_remote(remote, PLUGINS, PATIENCE):
                pytest.fail("it was opened")


async def test_an_api_that_goes_away_fails_the_case_with_its_reason(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd, open_remote(csmsd.by_api(), PLUGINS, PATIENCE) as central:
        api = csmsd.api
        await csmsd.host.plugins.disable("web")
        report = await run_cases(central, select(["TC_013"]), timeout=PATIENCE, at_once=1)
    failure = report.cases[0].failure
    assert failure is not None
    assert failure.step == "what drives the system"
    assert failure.got.startswith(f"no csmsd answers at {api}")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://csms.example/ocpp", ("csms.example", 80)),
        ("wss://csms.example/ocpp", ("csms.example", 443)),
        ("wss://[::1]:8443/ocpp", ("::1", 8443)),
    ],
)
def test_a_url_may_leave_the_port_to_its_scheme(url: str, address: tuple[str, int]) -> None:
    assert Door(url).address == address


async def test_a_driver_that_fails_while_a_command_is_on_its_way_fails_the_case_at_once() -> None:
    class Lost(Tampering):
        async def outcome(self, command_id: str) -> Outcome:
            raise DriverFailed("the line is dead")

    async with open_local(Config(plugins=("core",))) as central:
        lost = Lost(central, {("TC_061", "ClearCache"): dropped})
        report = await run_cases(lost, select(["TC_061"]), timeout=PATIENCE, at_once=1)
    assert report.cases[0].failure == Failure("what drives the system", "its work done", "the line is dead")
    assert report.seconds < PATIENCE / 2


def test_numbers_and_names_of_one_run_are_not_those_of_another(tmp_path: Path) -> None:
    class Nothing(ManualDriver):
        keeps_names = False

    def at(run: int) -> Nothing:
        credentials = Credentials(tmp_path, Env(), "csmsd")
        return Nothing(Target(NOWHERE, "", credentials, Catalogue({}, {}), run, 1.0), ManualOptions())

    one, other = at(1_800_000_000), at(1_800_000_001)
    assert [int(each.suffix.removeprefix("-"), 36) for each in (one, other)] == [1_800_000_000, 1_800_000_001]
    numbers = [one.new_id() for _ in range(100)]
    assert set(numbers).isdisjoint(other.new_id() for _ in range(100))
    assert max(at(1_800_999_999).new_id() for _ in range(100)) < 2**31, "what OCPP's integers are stored in"


# -- finding drivers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with drivers, good and bad."""
    (tmp_path / "acme_drivers.py").write_text(
        "from csmsd_certification.driver import DrivenCentralSystem\n"
        "from csmsd_certification.central import Outcome\n"
        "class Acme(DrivenCentralSystem):\n"
        "    async def put_station(self, identity, password, security_profile): ...\n"
        "    async def put_tag(self, tag): ...\n"
        "    async def raise_profile(self, identity, security_profile): ...\n"
        "    async def send(self, identity, action, payload): return '1'\n"
        "    async def outcome(self, command_id): return Outcome('answered', b'{}')\n"
        "    async def begin(self): self.describe('Acme', '2.0', offered=['Heartbeat'])\n"
    )
    folder = tmp_path / "acme_drivers-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-drivers\nVersion: 2.0\n")
    (folder / "entry_points.txt").write_text(
        "[csmsd.certification_drivers]\nacme = acme_drivers:Acme\nodd = acme_drivers:Outcome\nlost = acme_lost\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
async def test_a_driver_of_another_package_is_found_by_its_entry_point() -> None:
    async with open_remote(Remote(NOWHERE, driver="acme"), PLUGINS, PATIENCE) as central:
        assert (central.info.name, central.info.version) == ("Acme", "2.0")
        assert central.lacks(["Heartbeat", "Reset"]) == ["Reset"]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("driver", "complaint"),
    [
        ("acmee", "--driver: no installed package offers a driver acmee; did you mean acme?"),
        ("zzz", "no installed package offers a driver zzz; installed: acme, command, csmsd, lost, manual, odd"),
        ("odd", "odd of acme-drivers 2.0 is no subclass of csmsd_certification.driver.DrivenCentralSystem"),
        ("lost", "lost of acme-drivers 2.0 cannot be imported: ModuleNotFoundError: No module named 'acme_lost'"),
    ],
)
async def test_a_driver_that_cannot_be_used_is_named(driver: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        async with open_remote(Remote(NOWHERE, driver=driver), PLUGINS, PATIENCE):
            pytest.fail("it was opened")


# -- what is said about the system -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"url": "http://127.0.0.1:9/"}, "--url: http://127.0.0.1:9/ is no URL for stations: expected ws://host"),
        ({"url": "ws:///ocpp"}, "--url: ws:///ocpp is no URL for stations"),
        ({"tls_url": "ws://127.0.0.1:9/"}, "--tls-url: ws://127.0.0.1:9/ is no URL for stations: expected wss://host"),
        ({"tls_roots": "none.pem"}, "--tls-roots: none.pem cannot be read: No such file or directory"),
        ({"tls_roots": "text.pem"}, "--tls-roots: text.pem holds no certificate in PEM"),
        ({"station_ca": "ca.pem"}, "--station-ca needs --station-ca-key, its private key"),
        ({"station_ca": "none.pem", "station_ca_key": "ca.key"}, "--station-ca: none.pem cannot be read"),
        ({"station_ca": "ca.pem", "station_ca_key": "none.key"}, "--station-ca-key: none.key cannot be read"),
        ({"station_ca": "ca.pem", "station_ca_key": "text.pem"}, "--station-ca-key: text.pem holds no plain private"),
        ({"station_ca": "ca.pem", "station_ca_key": "other.key"}, "other.key is not the key of ca.pem"),
        ({"station_ca": "ca.pem", "station_ca_key": "ed.key"}, "ed.key holds a key that is neither RSA nor EC"),
    ],
)
async def test_what_cannot_be_used_about_the_system_is_named(
    fields: dict[str, str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ca = trustme.CA()
    ca.cert_pem.write_to_path("ca.pem")
    ca.private_key_pem.write_to_path("ca.key")
    trustme.CA().private_key_pem.write_to_path("other.key")
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "ed.key").write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    remote = msgspec.convert({"url": NOWHERE, "driver": "manual"} | fields, Remote, dec_hook=lambda _, text: Path(text))
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        async with open_remote(remote, PLUGINS, PATIENCE):
            pytest.fail("it was opened")

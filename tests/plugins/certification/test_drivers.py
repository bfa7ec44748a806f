"""`csmsd certify --url`: another central system is certified by its own controls."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from csmsd.cli.settings import check_plugins, load_settings
from csmsd.client import ApiClient
from csmsd.config import Access
from csmsd.errors import ConfigError, CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Arrival, Station
from csmsd_certification.cases import CASES, select
from csmsd_certification.central import Outcome
from csmsd_certification.driver import DriverFailed
from csmsd_certification.remote import Remote, open_remote
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult, Failure, Report
from csmsd_certification.running import run_cases
from csmsd_core import Authorize, AuthorizeResponse
from csmsd_core.messages import IdTagInfo
from tests.plugins.certification.remote_csmsd import RemoteCsmsd, open_remote_csmsd

PATIENCE = 20.0
IMPATIENCE = 2.0  # where something is known not to come
DRIVE = Path(__file__).with_name("drive_csmsd.py")
PLUGINS = [loaded.type for loaded in check_plugins(load_settings(None, {}))]
TLS_CASES = {"TC_074", "TC_077", "TC_083", "TC_086", "TC_087"}
BY_CERTIFICATE = {"TC_074", "TC_077", "TC_087"}


def program(*words: object) -> str:
    """A Python program that starts quickly."""
    return "program=" + shlex.join([sys.executable, "-IS", *map(str, words)])


async def certify(remote: Remote, *ids: str, timeout: float = PATIENCE) -> Report:
    async with open_remote(remote, PLUGINS, timeout) as central:
        return await run_cases(central, select(ids), timeout=timeout, at_once=8)


def verdicts(report: Report) -> dict[str, str]:
    return {case.id: case.verdict for case in report.cases}


def reasons(report: Report) -> dict[str, str]:
    return {case.id: case.reason for case in report.cases if case.verdict == "Not applicable"}


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
        (lambda csmsd: f"token={read_only(csmsd)}", "this needs a token with the scope operate; yours has read"),
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


# -- the driver command ------------------------------------------------------------------------------------------------


async def test_another_csmsd_passes_everything_by_a_program(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        report = await certify(csmsd.remote("command", program(DRIVE, csmsd.api, csmsd.token)))
        assert set(verdicts(report).values()) == {"Pass"}, as_text(report)
        assert (report.system.name, report.system.version) == ("A csmsd", version("csmsd"))
        assert ("Mood", "good") in report.system.configuration
        assert list(csmsd.host.stations.records()) == [], "end was told what there was"


def answering(**answers: Any) -> str:
    """A program with one answer for each order, {} for others."""
    script = f"import json, sys; a = {answers!r}; print(json.dumps(a.get(json.load(sys.stdin)['order'], {{}})))"
    return program("-c", script)


NOWHERE = "ws://127.0.0.1:9/ocpp"


def by_program(*options: str, url: str = NOWHERE) -> Remote:
    return Remote(url, driver="command", driver_options=options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "the driver command needs --driver-option program=…: The program and its arguments, as in a shell."),
        (("program=",), "--driver-option program: name a program"),
        (("program=it's",), "--driver-option program: it's: No closing quotation"),
        (("program=/no/such/program",), "/no/such/program cannot be found, or cannot be executed"),
        ((program("-c", "print('hello')"),), "answered the order begin with something else than the JSON expected"),
        ((program("-c", "print('hello')"),), "hello"),
        ((program("-c", "pass"),), ": nothing"),
        ((program("-c", "print([])"),), "Expected `object`, got `array`"),
        ((program("-c", "raise SystemExit('no licence')"),), "failed at the order begin with exit code 1: no licence"),
        ((program("-c", "raise SystemExit(3)"),), "failed at the order begin with exit code 3"),
        (("timeout=0.3", "program=sleep 60"), "was not done with the order begin after 0.3 s, and was ended"),
        (("program=yes",), "yes printed more than 1048576 bytes for the order begin"),
        ((answering(begin={"error": "no network"}),), "begin: no network"),
        (("program=cat", "timeout=0"), "timeout must be a number above 0 and of at most 600, not"),
        (("programm=cat",), "the driver command has no such option; did you mean program?"),
        (("colour=red",), "the driver command has no such option; its options: program, timeout"),
        (("program",), "--driver-option program: expected KEY=VALUE"),
    ],
)
async def test_a_program_that_cannot_be_used_is_named_before_the_first_case(
    options: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(CsmsdError, match=re.escape(complaint)):
        async with open_remote(by_program(*options), PLUGINS, PATIENCE):
            pytest.fail("it was opened")


async def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = tmp_path / "script"
    script.write_text(f"sleep 60 & echo $! > {pid_file}; wait")
    with pytest.raises(CsmsdError, match="was not done"):
        async with open_remote(by_program(f"program=sh {script}", "timeout=0.5"), PLUGINS, PATIENCE):
            pytest.fail("it was opened")
    with trio.fail_after(PATIENCE):
        while not _has_ended(int(pid_file.read_text())):  # noqa: ASYNC110 - another process has no Event
            await trio.sleep(0.01)


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def one_case(answers: dict[str, Any], case: str, folder: Path, timeout: float = PATIENCE) -> CaseResult:
    """Anybody may connect, so that the program need not do anything."""
    access = Access(unknown_stations="register", authentication="optional")
    async with open_remote_csmsd(folder, access=access) as csmsd:
        report = await certify(by_program(answering(**answers), url=csmsd.url), case, timeout=timeout)
    return report.cases[0]


@pytest.mark.parametrize(
    ("answers", "step", "got"),
    [
        ({"put_station": {"error": "no such tenant"}}, "what drives the system", "put_station: no such tenant"),
        ({"send": {}}, "what drives the system", f"{sys.executable} answered the order send without an id"),
        ({"send": {"refused": "too late at night"}}, "ClearCache.req", "refused: too late at night"),
    ],
)
async def test_a_program_that_fails_at_an_order_fails_the_case(
    answers: dict[str, Any], step: str, got: str, tmp_path: Path
) -> None:
    failure = (await one_case(answers, "TC_061", tmp_path)).failure
    assert failure is not None
    assert (failure.step, failure.got) == (step, got)


async def test_a_command_that_never_arrives_is_waited_for_no_longer_than_a_step(tmp_path: Path) -> None:
    failure = (await one_case({"send": {"id": "1"}}, "TC_061", tmp_path, timeout=0.5)).failure
    assert failure == Failure("ClearCache.req", "a message", "nothing within 0.5 s")


async def test_what_a_program_says_is_not_possible_does_not_count(tmp_path: Path) -> None:
    case = await one_case({"send": {"not_applicable": "it has no cache"}}, "TC_061", tmp_path)
    assert (case.verdict, case.reason) == ("Not applicable", "it has no cache")


async def test_what_a_program_says_the_system_lacks_does_not_count(tmp_path: Path) -> None:
    case = await one_case({"begin": {"name": "Elsewhere", "lacks": ["ClearCache"]}}, "TC_061", tmp_path)
    assert (case.verdict, case.reason) == ("Not applicable", "Elsewhere does not offer ClearCache")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"state": "answered", "result": {"status": "Accepted"}}, Outcome("answered", b'{"status":"Accepted"}')),
        ({"state": "timeout", "error": "too late"}, Outcome("timeout", b"{}", "too late")),
        ({}, "answered the order outcome without a state"),
        ({"error": "no such command"}, "outcome: no such command"),
    ],
)
async def test_a_program_tells_what_became_of_a_command(answer: dict[str, Any], outcome: Outcome | str) -> None:
    remote = by_program(answering(send={"id": "7"}, outcome=answer))
    async with open_remote(remote, PLUGINS, PATIENCE) as central:
        command_id = await central.send("CERT-1", "ClearCache", b"{}")
        if isinstance(outcome, Outcome):
            assert await central.outcome(command_id) == outcome
            return
        with pytest.raises(DriverFailed, match=outcome):
            await central.outcome(command_id)


async def test_a_system_that_does_not_show_answers_is_certified_without_them(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        inner = shlex.join([sys.executable, "-IS", str(DRIVE), csmsd.api, csmsd.token])
        blind = tmp_path / "blind"
        blind.write_text(
            "order=$(cat)\n"
            'case $order in *\'"begin"\'*) echo \'{"name": "Blind", "outcomes": false}\' ;;\n'
            "*'\"outcome\"'*) exit 9 ;;\n"
            f'*) printf %s "$order" | {inner} ;; esac\n'
        )
        report = await certify(csmsd.remote("command", f"program=sh {blind}"), "TC_013", "TC_026")
    assert set(verdicts(report).values()) == {"Pass"}, as_text(report)
    assert ("Stations' answers", "not visible to the driver, so not compared") in report.system.configuration


# -- the driver manual -------------------------------------------------------------------------------------------------


class Operator:
    """At the terminal: reads what is to be done, does it by the management API, and presses Enter."""

    def __init__(self, csmsd: RemoteCsmsd, typed: Mapping[str, str]) -> None:
        self._client, self._typed, self._text = ApiClient(csmsd.api, csmsd.token), dict(typed), ""
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self._text = text.strip()
        self.shown.append(self._text)

    def ask(self, prompt: str) -> str:
        asked = self._text if prompt.startswith("[Enter = done") else prompt
        for start, answer in self._typed.items():
            if asked.startswith(start):
                if answer == "EOF":
                    raise EOFError
                return answer
        self._do(self._text)
        return ""

    def _do(self, text: str) -> None:
        if found := re.match(
            r"Make the station (\S+) known: (?:password (\S+)|no password), security profile (\d)", text
        ):
            identity, password, profile = found.groups()
            secret = {"password": password} if password else {}
            self._client.put(f"/stations/{identity}", {"security_profile": int(profile), **secret})
        elif found := re.match(r"Make the id tag (\S+) known: (\w+)(?:, parent (\S+))?(, expired)?", text):
            id_tag, status, parent, expired = found.groups()
            body = {"status": "Expired" if expired else status, "parent_id_tag": parent}
            self._client.put(f"/tags/{id_tag}", body)
        elif found := re.match(r"Let the station (\S+) come back with security profile (\d)", text):
            self._client.put(f"/stations/{found[1]}", {"profile_upgrade_to": int(found[2])})
        elif found := re.match(r"Send (\w+) to (\S+), exactly:\n(.*)", text, re.DOTALL):
            at_once = {"Prefer": "respond-async"}
            self._client.post(f"/stations/{found[2]}/commands/{found[1]}", found[3].encode(), headers=at_once)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[tuple[Report, list[str]]]]:
    async def run(*ids: str, **typed: str) -> tuple[Report, list[str]]:
        async with open_remote_csmsd(tmp_path) as csmsd:
            tester = Operator(csmsd, {start.replace("_", " "): answer for start, answer in typed.items()})
            monkeypatch.setattr("csmsd_certification.driver_manual.StandardTerminal", lambda: tester)
            report = await certify(csmsd.remote("manual", "name=SteVe", "version=3.7", "lacks=ReserveNow"), *ids)
            tester.close()
        return report, tester.shown

    return run


Manual = Callable[..., Awaitable[tuple[Report, list[str]]]]


async def test_a_tester_who_does_what_is_asked_certifies_everything(by_hand: Manual) -> None:
    report, shown = await by_hand()
    assert report.has_passed, as_text(report)
    assert set(reasons(report).values()) == {"SteVe does not offer ReserveNow"}
    assert (report.system.name, report.system.version) == ("SteVe", "3.7")
    stations = [found[1] for text in shown if (found := re.match(r"Make the station (\S+) known", text))]
    assert stations == [f"CERT-{case.id}" for case in CASES if case.id not in reasons(report)], "one after the other"
    assert "It will connect to wss://localhost:" in next(text for text in shown if "CERT-TC_086" in text)


@pytest.mark.parametrize(
    ("typed", "verdict", "why"),
    [
        ({"Make_the_station": "n", "Why_not": "the tenant is full"}, "Not applicable", "the tenant is full"),
        ({"Send": "n", "Why_not": ""}, "Not applicable", "the tester says that it is not possible"),
        ({"Send": "r", "What_does_it_say": "no button"}, "Fail", "refused: no button"),
        ({"Does_the_system_show": "Accepted"}, "Fail", '{"status":"Accepted"}'),
        ({"Does_the_system_show": "Rejected"}, "Pass", ""),
        ({"Does_the_system_show": '{"status": "Rejected"}'}, "Pass", ""),
        ({"Does_the_system_show": "EOF"}, "Fail", "nobody is at the terminal any more: standard input has ended"),
    ],
)
async def test_what_the_tester_types_decides(by_hand: Manual, typed: dict[str, str], verdict: str, why: str) -> None:
    report, _ = await by_hand("TC_026", **typed)
    (case,) = report.cases
    assert case.verdict == verdict, as_text(report)
    assert why == (case.failure.got if case.failure else case.reason)


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

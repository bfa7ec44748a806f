"""`csmsd certify --driver manual`: another central system is certified by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from csmsd.client import ApiClient
from csmsd_certification.cases import CASES
from csmsd_certification.rendering import as_text
from csmsd_certification.results import Report
from tests.plugins.certification.remote_csmsd import (
    PATIENCE,
    RemoteCsmsd,
    certify,
    open_remote_csmsd,
    reasons,
)


class Operator:
    """At the terminal: reads what is to be done, does it by the management API, and presses Enter."""

    def __init__(self, csmsd: RemoteCsmsd, typed: Mapping[str, str], slowness: float) -> None:
        self._client, self._typed, self._text = ApiClient(csmsd.api, csmsd.token), dict(typed), ""
        self._slowness = slowness
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
        if asked is self._text:
            self._do(asked)
        elif "Does the system show that?" in prompt:
            time.sleep(self._slowness)
        else:
            raise AssertionError(f"nobody should be asked this now: {prompt}")
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
    async def run(*ids: str, slowness: float = 0, timeout: float = PATIENCE, **typed: str) -> tuple[Report, list[str]]:
        async with open_remote_csmsd(tmp_path) as csmsd:
            tester = Operator(csmsd, {start.replace("_", " "): answer for start, answer in typed.items()}, slowness)
            monkeypatch.setattr("csmsd_certification.driver_manual.StandardTerminal", lambda: tester)
            report = await certify(
                csmsd.remote("manual", "name=SteVe", "version=3.7", "lacks=ReserveNow"), *ids, timeout=timeout
            )
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


async def test_a_tester_may_take_longer_than_a_step(by_hand: Manual) -> None:
    report, _ = await by_hand("TC_026", slowness=2.5, timeout=2.0)
    assert report.has_passed, as_text(report)

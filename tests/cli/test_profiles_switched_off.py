"""The command line offers what comes with the plugins that are on, and says which one is missing."""

from __future__ import annotations

import re

import pytest

from csmsd.cli.failure import ExitCode
from tests.cli.conftest import Cli, Server
from tests.plugins.combinations.profiles import COMBINATIONS, CORNERS, Names, off, spelled, verbs_of


def listed(text: str) -> set[str]:
    """The commands that a help text names."""
    return set(re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE))


def test_help_names_exactly_the_commands_of_plugins_that_are_on(cli: Cli) -> None:
    own = listed(cli("--help", environ={"CSMSD_PLUGINS": ""}).stdout)
    assert {"run", "station"} <= own
    for chosen in COMBINATIONS:
        names = ("core", *chosen)
        shown = listed(cli("--help", environ={"CSMSD_PLUGINS": ",".join(names)}).stdout)
        assert shown - own == verbs_of(names), chosen


@pytest.mark.parametrize("chosen", CORNERS, ids=spelled)
def test_a_command_of_a_plugin_that_is_off_says_which_one(cli: Cli, chosen: Names) -> None:
    for plugin in off(chosen):
        for verb in verbs_of([plugin]):
            result = cli(verb, "--help", environ={"CSMSD_PLUGINS": ",".join(("core", *chosen))})
            assert result.exit_code == ExitCode.USAGE
            sentence = (
                f"No such command '{verb}': it comes with the plugin {plugin}; add {plugin} to the list of plugins."
            )
            assert sentence in result.stderr


def test_a_command_that_nobody_knows_gets_no_such_advice(cli: Cli) -> None:
    result = cli("nonsense", environ={"CSMSD_PLUGINS": "core"})
    assert result.exit_code == ExitCode.USAGE
    assert "No such command 'nonsense'" in result.stderr
    assert "comes with" not in result.stderr


def test_where_the_settings_cannot_be_read_nobody_knows_which_plugins_are_on(cli: Cli) -> None:
    result = cli("reservation", "list", environ={"CSMSD_NONSENSE": "1"})
    assert result.exit_code == ExitCode.USAGE
    assert "the commands of plugins are missing" in result.stderr
    assert "comes with" not in result.stderr


def test_a_plugin_that_was_switched_off_in_the_running_csmsd_is_named(remote: Cli, server: Server) -> None:
    assert remote("plugins", "disable", "reservation").exit_code == 0
    try:
        result = remote("reservation", "list")
        assert result.exit_code == ExitCode.REFUSED
        assert "the plugin that has it is not enabled" in result.stderr
        assert remote("station", "add", "CP-1", "--no-password").exit_code == 0
        result = remote("call", "CP-1", "ReserveNow", "{}")
        assert "no enabled plugin offers a command ReserveNow: enable the plugin reservation" in result.stderr
    finally:
        remote("plugins", "enable", "reservation")
    assert remote("reservation", "list").exit_code == 0


def test_absorb_is_checked_before_anything_starts(cli: Cli) -> None:
    result = cli("check", "--absorb=SecurityEventNotifications")
    assert result.exit_code == ExitCode.USAGE
    sentence = (
        "--absorb: absorb: 'SecurityEventNotifications' cannot be absorbed; did you mean SecurityEventNotification?"
    )
    assert sentence in result.stdout
    assert cli("check", environ={"CSMSD_ABSORB": "SecurityEventNotification,LogStatusNotification"}).exit_code == 0

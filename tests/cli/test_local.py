"""Commands that need no server: help, check, config, db; and how results and logs are written."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from csmsd.cli.failure import ExitCode, Failure, failures_as_sentences
from csmsd.cli.keys import KERNEL_KEYS
from csmsd.cli.logs import JsonFormatter, TextFormatter
from csmsd.cli.manual import DOCUMENTED, manual
from csmsd.cli.output import cell_text, table
from csmsd.client import ApiError
from csmsd.errors import StationUnavailable, StoreUnavailable
from tests.cli.conftest import Cli

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package whose plugin cannot be imported."""
    place = tmp_path / "site"
    info = place / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[csmsd.plugins]\nbroken = broken_plugin:Broken\n")
    (place / "broken_plugin.py").write_text("raise RuntimeError('it is broken')\n")
    monkeypatch.syspath_prepend(str(place))
    return "broken"


# -- help ----------------------------------------------------------------------------------------------------------


def test_help_shows_every_command_by_section(cli: Cli) -> None:
    text = cli("--help").stdout
    for name in ("run", "check", "config", "db", "plugins", "station", "call", "tail", "attempts", "tag", "tx"):
        assert f"\n  {name} " in text
    assert text.index("The server:") < text.index("Stations:") < text.index("Of plugins:") < text.index("\n  tag ")


def test_the_help_of_run_has_every_key(cli: Cli) -> None:
    text = cli("run", "--help").stdout
    for key in KERNEL_KEYS.values():
        assert f"{key.flag}" in text
    assert "--ocpp-listen" in text
    assert "[limits] Protections" in text


def test_other_commands_take_every_key_and_show_two(cli: Cli) -> None:
    text = cli("check", "--help").stdout
    assert "--plugins" in text
    assert "--limits-fragments" not in text


def test_only_configured_plugins_bring_commands(cli: Cli) -> None:
    assert "Of plugins" not in cli("--help", environ={"CSMSD_PLUGINS": ""}).stdout
    result = cli("tag", "list", environ={"CSMSD_PLUGINS": "web"})
    assert result.exit_code == ExitCode.USAGE
    assert "No such command 'tag'" in result.stderr


def test_a_broken_plugin_breaks_neither_help_nor_other_commands(cli: Cli, broken_plugin: str) -> None:
    environ = {"CSMSD_PLUGINS": f"core,{broken_plugin}"}
    result = cli("--help", environ=environ)
    assert result.exit_code == 0
    assert "\n  tag " in result.stdout
    assert "it is broken" in " ".join(result.stdout.split())
    assert cli("config", "show", environ=environ).exit_code == 0


def test_an_unknown_command_may_be_that_of_a_plugin_that_could_not_be_loaded(cli: Cli, broken_plugin: str) -> None:
    result = cli("frobnicate", environ={"CSMSD_PLUGINS": broken_plugin})
    assert result.exit_code == ExitCode.USAGE
    assert "RuntimeError: it is broken" in result.stderr


def test_a_plugin_that_is_not_named_is_not_imported(cli: Cli, broken_plugin: str) -> None:
    assert "it is broken" not in cli("--help").stdout


def test_a_broken_configuration_does_not_break_help(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "csmsd.toml").write_text("nonsense = 1")
    result = cli("--help")
    assert result.exit_code == 0
    assert "unknown key nonsense" in " ".join(result.stdout.split())


def test_the_shell_can_complete_commands(cli: Cli) -> None:
    environ = {"_CSMSD_COMPLETE": "bash_complete", "COMP_WORDS": "csmsd sta", "COMP_CWORD": "1"}
    assert cli(environ=environ).stdout == "plain,station\n"


def test_the_manual_is_up_to_date() -> None:
    """If not: python -m csmsd.cli.manual > docs/cli.md."""
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == manual(DOCUMENTED)


# -- check ---------------------------------------------------------------------------------------------------------


def test_check_prints_the_order_of_plugins_and_their_hooks(cli: Cli) -> None:
    result = cli("check", "--plugins", "web,core")
    assert result.exit_code == 0, result.output
    assert result.stdout.index("  web ") < result.stdout.index("  core ") < result.stdout.index("boot_notification")
    assert result.stdout.endswith("everything is in order\n")
    findings = msgspec.json.decode(cli("check", "--json", "--plugins", "core").stdout)
    assert [plugin["name"] for plugin in findings["plugins"]] == ["core"]


def test_check_finds_all_problems_at_once(cli: Cli, broken_plugin: str) -> None:
    result = cli("check", "--plugins", broken_plugin, "--listen-http", "nowhere", "--listen-ocpp", "0.0.0.0:9000")
    assert result.exit_code == ExitCode.USAGE
    assert "problem: listen.http = 'nowhere': expected host:port" in result.stdout
    assert "problem: listen.ocpp = '0.0.0.0:9000' would carry passwords unencrypted" in result.stdout
    assert "it is broken" in result.stdout
    assert "3 problem(s)" in result.stdout


def test_check_finds_a_hook_that_does_not_fit(cli: Cli, tmp_path: Path, broken_plugin: str) -> None:
    (tmp_path / "site/broken_plugin.py").write_text(
        "from csmsd import Plugin, hookimpl\n\n\nclass Broken(Plugin):\n    name = 'broken'\n\n"
        "    def __init__(self, config, host):\n        raise AssertionError('never made')\n\n"
        "    @hookimpl\n    def station_conected(self, station):\n        pass\n"
    )
    result = cli("check", "--plugins", broken_plugin)
    assert result.exit_code == ExitCode.USAGE
    assert "station_conected" in result.stdout


def test_check_starts_nothing(cli: Cli, tmp_path: Path) -> None:
    cli("check")
    assert list(tmp_path.iterdir()) == []


# -- config --------------------------------------------------------------------------------------------------------


def test_config_init_writes_a_template_and_overwrites_nothing(cli: Cli, tmp_path: Path) -> None:
    assert cli("config", "init").exit_code == 0
    written = (tmp_path / "csmsd.toml").read_text()
    assert "\n#call_timeout = 60.0\n" in written
    assert "\n[plugin.core.transactions]\n" in written
    result = cli("config", "init")
    assert result.exit_code == ExitCode.USAGE
    assert "csmsd.toml exists: --force overwrites it" in result.stderr
    assert cli("config", "init", "--force").exit_code == 0
    assert cli("config", "init", "-").stdout == written


def test_config_show_says_where_each_value_comes_from(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "csmsd.toml").write_text("[limits]\ncall_timeout = 5\nfragments = 5\n")
    result = cli("config", "show", "--limits-fragments", "7", environ={"CSMSD_STORE_READERS": "2"})
    lines = result.stdout.splitlines()
    assert "call_timeout = 5.0  # csmsd.toml" in lines
    assert "fragments = 7  # --limits-fragments" in lines
    assert "readers = 2  # CSMSD_STORE_READERS" in lines
    assert "drain_timeout = 10.0" in lines


def test_what_config_show_prints_can_be_read_again(cli: Cli, tmp_path: Path) -> None:
    first = cli("config", "show", "--limits-fragments", "7").stdout
    (tmp_path / "csmsd.toml").write_text(first)
    again = cli("config", "show").stdout
    assert [line.partition("  # ")[0] for line in again.splitlines()] == [
        line.partition("  # ")[0] for line in first.splitlines()
    ]


# -- db ------------------------------------------------------------------------------------------------------------


def test_db_status_and_upgrade(cli: Cli) -> None:
    (Path("data")).mkdir()
    before = cli("db", "status", "--plugins", "core")
    assert before.exit_code == ExitCode.REFUSED
    assert "none" in before.stdout
    assert cli("db", "upgrade", "--plugins", "core").stdout == "upgraded: kernel, core\n"
    assert cli("db", "upgrade", "--plugins", "core").stdout == "everything is up to date\n"
    after = cli("db", "status", "--plugins", "core", "--json")
    assert after.exit_code == 0
    assert {one["name"]: one["pending"] for one in msgspec.json.decode(after.stdout)} == {"kernel": [], "core": []}


def test_a_database_that_cannot_be_opened_is_one_sentence(cli: Cli, tmp_path: Path) -> None:
    result = cli("db", "status", "--plugins", "core", "--store-url", f"sqlite:///{tmp_path / 'no/such/folder.db'}")
    assert result.exit_code == ExitCode.REFUSED
    assert result.stderr.startswith("csmsd: the database cannot be used: unable to open")


def test_plugins_without_a_server_shows_what_a_start_would_use(cli: Cli) -> None:
    result = cli("plugins", environ={"CSMSD_PLUGINS": "core", "CSMSD_URL": "http://127.0.0.1:1", "CSMSD_TOKEN": "x"})
    assert result.exit_code == 0
    states = {line.split()[0]: line.split()[1] for line in result.stdout.splitlines()[1:]}
    assert states["core"] == "configured"
    assert states["web"] == "installed"
    assert "no csmsd answers" in result.stderr


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StationUnavailable("gone"), ExitCode.OFFLINE),
        (ApiError(409, "gone", "station-disconnected"), ExitCode.OFFLINE),
        (ApiError(409, "no", "plugin-refused"), ExitCode.REFUSED),
        (StoreUnavailable("full"), ExitCode.REFUSED),
        (BaseExceptionGroup("of trio", [ExceptionGroup("inner", [StationUnavailable("gone")])]), ExitCode.OFFLINE),
    ],
)
def test_errors_on_purpose_become_a_sentence_and_a_code(error: BaseException, code: ExitCode) -> None:
    with pytest.raises(Failure) as caught, failures_as_sentences():
        raise error
    assert caught.value.exit_code == code
    assert caught.value.message in ("gone", "no", "full")


def test_a_bug_keeps_its_traceback() -> None:
    bug = ExceptionGroup("of trio", [StationUnavailable("gone"), ZeroDivisionError()])
    with pytest.raises(ExceptionGroup), failures_as_sentences():
        raise bug


# -- tables and logs -----------------------------------------------------------------------------------------------


def test_a_table_is_cut_to_the_width_of_the_terminal_at_its_widest_column() -> None:
    text = table(["id", "note"], [["CP-1", "x" * 40], ["CP-22", "y"]], width=20)
    assert text.splitlines() == ["id     note", "CP-1   xxxxxxxxxxxx…", "CP-22  y"]
    assert max(map(len, text.splitlines())) == 20


def test_a_table_that_is_not_for_a_terminal_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert "x" * 400 in table(["note"], [["x" * 400]])


def test_what_strangers_sent_cannot_move_the_cursor() -> None:
    assert cell_text("a\x1b[2Jb\r\nc\x9b") == "a\ufffd[2Jb\ufffd\ufffdc\ufffd"


def record_of(message: str, *args: Any, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("csmsd.door", logging.WARNING, "door.py", 1, message, args, info)


def test_a_log_line_cannot_be_forged() -> None:
    text = TextFormatter().format(record_of("%s is here", "CP\n12:00:00 ERROR \x1b[31mforged"))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert text.endswith("WARNING csmsd.door  CP\\n12:00:00 ERROR \\x1b[31mforged is here")


def test_a_traceback_follows_its_line_indented() -> None:
    lines = TextFormatter().format(record_of("failed", error=ValueError("a\x1bb"))).splitlines()
    assert lines[0].endswith("csmsd.door  failed")
    assert lines[1:] == ["    ValueError: a\\x1bb"]


def test_a_json_line_says_in_fields_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    formatter = JsonFormatter()
    with caplog.at_level(logging.INFO, "csmsd"):
        extra = {"station": "CP\n1", "action": "Reset", "audit": "7:ff", "unheard_of": "x"}
        logging.getLogger("csmsd.audit").info("x", extra=extra)
        logging.getLogger("csmsd.plugin.acme").info("y")
    first, second = (msgspec.json.decode(formatter.format(record)) for record in caplog.records)
    assert (first["station"], first["action"], first["audit"]) == ("CP\n1", "Reset", "7:ff")
    assert "unheard_of" not in first
    assert "plugin" not in first
    assert second["plugin"] == "acme"
    record = record_of("z")
    record.pathname = "/opt/plugins/csmsd_firmware/plane.py"
    assert msgspec.json.decode(formatter.format(record))["plugin"] == "firmware"


def test_a_json_line_is_one_object() -> None:
    line = JsonFormatter().format(record_of("a\nb", error=ValueError("c")))
    assert "\n" not in line
    found = msgspec.json.decode(line)
    assert (found["level"], found["logger"], found["message"]) == ("warning", "csmsd.door", "a\nb")
    assert found["exception"] == "ValueError: c"
    assert found["time"].endswith("Z")

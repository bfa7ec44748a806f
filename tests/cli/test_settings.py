"""Settings: every key from every source, who wins, and what is said about mistakes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from csmsd.cli.keys import KERNEL_KEYS, Key
from csmsd.cli.settings import Assignment, Settings, check_plugins, load_settings, plugin_keys
from csmsd.cli.template import as_toml, template
from csmsd.cli.values import from_text, toml
from csmsd.config import Config
from csmsd.errors import ConfigError

KEYS = pytest.mark.parametrize("key", KERNEL_KEYS.values(), ids=lambda key: key.name)
NONE = Path("/dev/null")


def another(key: Key) -> Any:
    """A valid value that is not the default."""
    default = key.default
    if key.name == "plugins":
        return ("core",)
    if key.choices:
        chosen = next(choice for choice in key.choices if choice != getattr(default, "value", default))
        return type(default)(chosen) if isinstance(default, Enum) else chosen
    if key.name in ("listen.certificate", "listen.private_key", "listen.client_roots"):
        return (Path("one.pem"), Path("two.pem"))
    match default:
        case bool():
            return not default
        case int() | float():
            return default + 1
        case tuple():
            return ("/a", "/b")
        case Path():
            return Path("elsewhere")
        case _:
            return "something"


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(getattr(value, "value", value))


def value_of(settings: Settings, key: Key) -> Any:
    value: Any = settings.config
    for step in key.path:
        value = getattr(value, step)
    return value


def as_file(tmp_path: Path, key: Key, value: Any) -> Path:
    path = tmp_path / "csmsd.toml"
    *tables, name = key.path
    path.write_text("".join(f"[{table}]\n" for table in tables) + f"{name} = {toml(value)}\n")
    return path


@KEYS
def test_every_key_can_be_set_in_the_file(key: Key, tmp_path: Path) -> None:
    path = as_file(tmp_path, key, another(key))
    settings = load_settings(path, {})
    assert value_of(settings, key) == another(key)
    assert settings.origins[key.name] == str(path)


@KEYS
def test_every_key_can_be_set_in_the_environment(key: Key) -> None:
    settings = load_settings(NONE, {key.variable: as_text(another(key))})
    assert value_of(settings, key) == another(key)
    assert settings.origins[key.name] == key.variable


@KEYS
def test_every_key_has_a_flag(key: Key, cli: Any, tmp_path: Path) -> None:
    shown: Result = cli("config", "show", "--json", f"{key.flag}={as_text(another(key))}")
    assert shown.exit_code == 0, shown.output
    rows = {row["key"]: row for row in msgspec.json.decode(shown.stdout)}
    assert rows[key.name]["value"] == toml(another(key))
    assert rows[key.name]["origin"] == key.flag


@KEYS
def test_every_key_can_be_set_by_its_name(key: Key) -> None:
    settings = load_settings(NONE, {}, [Assignment(key.name, as_text(another(key)), "--set")])
    assert value_of(settings, key) == another(key)


@KEYS
def test_every_key_has_a_help(key: Key) -> None:
    assert key.help.endswith((".", ".example/ocpp"))


def test_without_any_source_everything_has_its_default() -> None:
    assert load_settings(NONE, {}) == Settings(Config(), {})


@given(st.data())
def test_flags_win_over_variables_and_variables_over_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["limits.call_timeout", "store.readers", "limits.fragments"]))
    key = KERNEL_KEYS[name]
    numbers = st.none() | st.integers(1, 10_000)
    in_file, variable, flag = (data.draw(numbers) for _ in range(3))
    value = next((given for given in (flag, variable, in_file) if given is not None), key.default)
    path = NONE if in_file is None else as_file(tmp_path_factory.mktemp("file"), key, in_file)
    environ = {} if variable is None else {key.variable: str(variable)}
    flags = [] if flag is None else [Assignment(name, str(flag), key.flag)]
    assert value_of(load_settings(path, environ, flags), key) == value


@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=("Cs", "Z", "Cc")), min_size=1)))
def test_a_list_survives_the_way_through_text(paths: list[str]) -> None:
    key = KERNEL_KEYS["listen.paths"]
    assert from_text(key, ",".join(paths), "here") == tuple(paths)


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_survives_the_way_through_the_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    key = KERNEL_KEYS["access.realm"]
    path = tmp_path_factory.mktemp("file") / "csmsd.toml"
    path.write_text(f"[access]\nrealm = {toml(text)}\n", encoding="utf-8", newline="")
    assert value_of(load_settings(path, {}), key) == text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[limits]\ncal_timeout = 1", "unknown key limits.cal_timeout; did you mean limits.call_timeout?"),
        ("call_timeout = 1", "unknown key call_timeout; did you mean limits.call_timeout?"),
        ("[limts]\ncall_timeout = 1", "unknown key limts; did you mean limits?"),
        ("[limits]\ncall_timeout = '30'", 'limits.call_timeout must be a number above 0, not "30"'),
        ("[limits]\ncall_timeout = -1", "limits.call_timeout must be a number above 0, not -1"),
        ("[limits]\nfragments = 0", "limits.fragments must be a whole number of at least 1, not 0"),
        ("[store]\njournal = 'yes'", 'store.journal must be true or false, not "yes"'),
        ("log_level = 'loud'", 'log_level must be debug or info or warning or error, not "loud"'),
        ("plugins = 'core'", 'plugins must be a list of names, not "core"'),
        ("plugin = 3", "plugin must be a table of tables, like [plugin.core]"),
        ("plugin.core = 3", "plugin.core must be a table: [plugin.core]"),
        ("limits = 3", "unknown key limits; did you mean limits?"),
        ("[limits", "not valid TOML"),
        ("data_dir = { env = 'NOT_SET' }", "data_dir: the environment variable NOT_SET is not set"),
    ],
)
def test_a_mistake_in_the_file_is_explained(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("CSMSD_LIMITS_CAL_TIMEOUT", "1", "did you mean CSMSD_LIMITS_CALL_TIMEOUT?"),
        ("CSMSD_LIMITS_CALL_TIMEOUT", "soon", 'limits.call_timeout must be a number above 0, not "soon"'),
        ("CSMSD_STORE_JOURNAL", "maybe", 'store.journal must be true or false, not "maybe"'),
        ("CSMSD_PLUGIN_CORE_HEARTBEAT", "1", "unknown key heartbeat; did you mean heartbeat_interval?"),
        ("CSMSD_PLUGIN_CORE_RETRY_INTERVAL", "x", "plugin.core.retry_interval must be a whole number of at least 0"),
        ("CSMSD_PLUGIN_CORR_RETRY_INTERVAL", "1", "no installed plugin is meant"),
    ],
)
def test_a_mistake_in_the_environment_is_explained(variable: str, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(NONE, {variable: text, "CSMSD_PLUGINS": "core"})
    assert variable in str(caught.value)
    assert complaint in str(caught.value)


def test_variables_that_kubernetes_sets_for_a_service_are_not_ours() -> None:
    environ = {
        "CSMSD_SERVICE_HOST": "10.0.0.1",
        "CSMSD_WEB_SERVICE_PORT_HTTP": "8080",
        "CSMSD_PORT": "tcp://10.0.0.1:9000",
        "CSMSD_PORT_9000_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(NONE, environ).config == Config()


def test_a_port_that_looks_like_one_of_ours_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="unknown key CSMSD_HTTP_PORT"):
        load_settings(NONE, {"CSMSD_HTTP_PORT": "8080"})


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_the_file_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).config == Config()
    (tmp_path / "csmsd.toml").write_text("log_level = 'debug'")
    assert load_settings(None, {}).config.log_level == "debug"


# -- tables of plugins ---------------------------------------------------------------------------------------------


def test_sources_of_a_plugins_table_are_merged_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text(
        "plugins = ['core']\n[plugin.core]\nheartbeat_interval = 1\nretry_interval = 1\n"
        "[plugin.core.transactions]\nstale_after = 1\nhistorical_after = 1\n"
    )
    environ = {"CSMSD_PLUGIN_CORE_RETRY_INTERVAL": "2", "CSMSD_PLUGIN_CORE_TRANSACTIONS_STALE_AFTER": "2"}
    flags = [
        Assignment("plugin.core.read_configuration_of", "CP-1, CP-2", "--set"),
        Assignment("plugin.core.limits.hook_timeout", "3", "--set"),
    ]
    settings = load_settings(path, environ, flags)
    assert settings.config.plugin["core"] == {
        "heartbeat_interval": 1,
        "retry_interval": "2",
        "transactions": {"stale_after": "2", "historical_after": 1},
        "read_configuration_of": ["CP-1", "CP-2"],
        "limits": {"hook_timeout": "3"},
    }
    assert [one.name for one in check_plugins(settings)] == ["core"]


def test_a_mistake_in_a_plugins_table_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text("plugins = ['core']\n[plugin.core]\nheartbeat_intervall = 1\n")
    with pytest.raises(ConfigError) as caught:
        check_plugins(load_settings(path, {}))
    assert str(caught.value).startswith(f"{path}: [plugin.core] heartbeat_intervall: unknown key; did you mean heart")


def test_a_table_for_no_plugin_names_the_file_and_the_nearest_plugin(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text("plugins = ['core']\n[plugin.cor]\nheartbeat_interval = 1\n")
    with pytest.raises(ConfigError) as caught:
        check_plugins(load_settings(path, {}))
    assert str(path) in str(caught.value)
    assert "did you mean [plugin.core]?" in str(caught.value)


def test_a_plugin_that_cannot_be_loaded_does_not_keep_settings_from_being_read() -> None:
    environ = {"CSMSD_PLUGINS": "core,nosuch", "CSMSD_PLUGIN_NOSUCH_KEY": "1"}
    assert load_settings(NONE, environ).config.plugin == {"nosuch": {"key": "1"}}


# -- secrets -------------------------------------------------------------------------------------------------------


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text(
        "[store]\nurl = 'postgresql://csmsd:hush@db/csmsd'\n[access]\nrealm = { env = 'REALM' }\n"
        "[plugin.acme]\ntoken = 'hush'\nkey = { env = 'ACME' }\n[plugin.acme.mail]\npassword = 'hush'\n"
    )
    text = as_toml(load_settings(path, {"REALM": "hush"}))
    assert "hush" not in text
    assert 'url = "postgresql://csmsd:***@db/csmsd"' in text
    assert 'key = { env = "ACME" }' in text
    assert 'token = "***"' in text


def test_a_secret_of_the_wrong_type_is_not_quoted(tmp_path: Path) -> None:
    key = Key(("plugin", "acme", "token"), int, 0, "")
    with pytest.raises(ConfigError) as caught:
        from_text(key, "hush", "ACME")
    assert "hush" not in str(caught.value)


def test_a_value_from_the_environment_is_used(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text("[store]\nurl = { env = 'DATABASE' }\nreaders = { env = 'READERS' }\n")
    store = load_settings(path, {"DATABASE": "sqlite:////x.db", "READERS": "7"}).config.store
    assert (store.url, store.readers) == ("sqlite:////x.db", 7)


# -- template ------------------------------------------------------------------------------------------------------


def test_the_template_is_valid_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text(template(["core"]))
    assert only_kernel(load_settings(path, {})) == Config()


def test_the_template_is_valid_with_every_key_in_force(tmp_path: Path) -> None:
    path = tmp_path / "csmsd.toml"
    path.write_text("\n".join(line[1:] if is_key(line) else line for line in template(["core"]).splitlines()))
    settings = load_settings(path, {})
    assert only_kernel(settings) == Config()
    assert set(KERNEL_KEYS) <= set(settings.origins)
    assert "plugin.core.transactions.stale_after" in settings.origins
    check_plugins(settings)


def is_key(line: str) -> bool:
    return line[:1] == "#" and line[1:2].isalpha() and not line.endswith("…")


def only_kernel(settings: Settings) -> Config:
    return msgspec.structs.replace(settings.config, plugin={})


def test_every_key_of_the_core_profile_has_a_help() -> None:
    assert [key.name for key in plugin_keys("core") if not key.help and key.path[2] != "limits"] == []


def test_a_switch_needs_no_value(cli: Any) -> None:
    for arguments in (
        ["--store-journal", "false", "--listen-allow-plain"],
        ["--listen-allow-plain", "--store-journal=false"],
    ):
        lines = cli("config", "show", *arguments).stdout.splitlines()
        assert "allow_plain = true  # --listen-allow-plain" in lines
        assert "journal = false  # --store-journal" in lines


def test_config_before_and_after_the_command_are_the_same(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text("log_level = 'debug'")
    for arguments in (["--config", str(path), "config", "show"], ["config", "show", "--config", str(path)]):
        assert f'log_level = "debug"  # {path}' in cli(*arguments).stdout
    assert f'log_level = "debug"  # {path}' in cli("config", "show", environ={"CSMSD_CONFIG": str(path)}).stdout

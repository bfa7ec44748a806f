"""From names to plugins: found, checked, in order; and what an operator is told when it does not work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import sqlalchemy as sa

from csmsd._kernel.loader import Loaded, check_claims, installed_plugins, load_plugin, load_plugins
from csmsd._kernel.pluginconfig import check_tables, decode_config, decode_limits
from csmsd.action import Action
from csmsd.command import Command
from csmsd.errors import ConfigError, PluginConflict, PluginError, PluginIncompatible, PluginNotFound
from csmsd.plugin import Migrations, NoConfig, Plugin
from csmsd.store import Fact

PLUGIN = '''
from csmsd.plugin import Plugin

class {class_name}(Plugin):
    """A plugin."""

    name = "{name}"
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)


class Site:
    """A folder of installed packages."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def install(self, package: str, name: str, code: str | None = None, module: str = "") -> None:
        module = module or f"found_{package.replace('-', '_')}"
        (self._path / f"{module}.py").write_text(code or PLUGIN.format(class_name="Found", name=name))
        info = self._path / f"{package.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[csmsd.plugins]\n{name} = {module}:Found\n")


def plugin(plugin_name: str, **members: Any) -> type[Plugin[Any]]:
    return type(plugin_name.title(), (Plugin,), {"name": plugin_name, "__doc__": "A plugin.", **members})


def test_a_plugin_is_found_by_its_entry_point_with_its_version(site: Site) -> None:
    site.install("csmsd-acme", "acme")
    loaded = load_plugin("acme")
    assert (loaded.name, loaded.version, loaded.type.__name__) == ("acme", "1.2", "Found")


def test_only_what_is_named_is_imported(site: Site) -> None:
    site.install("csmsd-acme", "acme")
    site.install("csmsd-idle", "idle")
    load_plugins(["acme"])
    assert {"acme", "idle"} <= {entry.name for entry in installed_plugins()}
    assert "found_csmsd_acme" in sys.modules
    assert "found_csmsd_idle" not in sys.modules


def test_an_unknown_name_is_told_the_nearest_and_all_that_are_installed(site: Site) -> None:
    site.install("csmsd-acme", "acme")
    with pytest.raises(PluginNotFound) as caught:
        load_plugins(["acne"])
    assert str(caught.value).startswith("no installed package offers a plugin acne; did you mean acme? Installed: acme")


def test_a_plugin_that_cannot_be_imported_is_named_with_its_package(site: Site) -> None:
    site.install("csmsd-broken", "broken", code="import a_module_that_is_missing")
    with pytest.raises(PluginError) as caught:
        load_plugin("broken")
    assert str(caught.value) == (
        "the plugin broken of csmsd-broken 1.2 cannot be imported: "
        "ModuleNotFoundError: No module named 'a_module_that_is_missing'"
    )


def test_two_packages_with_the_same_plugin_are_a_conflict(site: Site) -> None:
    site.install("csmsd-one", "acme")
    site.install("csmsd-two", "acme")
    with pytest.raises(PluginConflict, match=r"acme is offered by csmsd-one 1\.2 and csmsd-two 1\.2: uninstall one"):
        load_plugin("acme")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("Found = 3", "the plugin acme is no subclass of csmsd.Plugin: name the class itself"),
        (PLUGIN.format(class_name="Found", name="rival"), "the entry point acme leads to a plugin called rival"),
        (
            PLUGIN.format(class_name="Found", name="acme") + "    api = 2\n",
            "acme is written for plugin API 2, .* csmsd",
        ),
        (PLUGIN.format(class_name="Found", name="acme") + "    api = 0\n", "plugin API 0, .*: upgrade the plugin"),
    ],
)
def test_what_is_no_plugin_of_this_api_is_refused(site: Site, code: str, complaint: str) -> None:
    site.install("csmsd-acme", "acme", code=code, module=f"wrong_{abs(hash(code))}")
    with pytest.raises(PluginIncompatible, match=complaint):
        load_plugin("acme")


@pytest.mark.parametrize("name", ["", "Acme", "9lives", "with-dash", "a__b"])
def test_a_name_that_cannot_be_a_table_prefix_is_refused(name: str) -> None:
    with pytest.raises(PluginIncompatible, match="needs a name of lower-case letters and digits"):
        load_plugins([plugin(name)])


def test_names_and_classes_can_be_mixed_and_keep_their_order(site: Site) -> None:
    site.install("csmsd-acme", "acme")
    billing = plugin("billing")
    assert [one.name for one in load_plugins([plugin("first"), "acme", billing])] == ["first", "acme", "billing"]


def test_what_a_plugin_requires_comes_before_it() -> None:
    a, b = plugin("a", requires=("c",)), plugin("b")
    c, d = plugin("c", requires=("d",)), plugin("d")
    assert [one.name for one in load_plugins([a, b, c, d])] == ["d", "c", "a", "b"]


def test_a_missing_requirement_names_the_fix() -> None:
    with pytest.raises(PluginIncompatible, match="acme requires the plugin core: add it to the list of plugins"):
        load_plugins([plugin("acme", requires=("core",))])


def test_plugins_that_require_each_other_are_refused() -> None:
    with pytest.raises(PluginIncompatible, match="the plugins a -> b -> a require each other"):
        load_plugins([plugin("a", requires=("b",)), plugin("b", requires=("a",))])


def test_a_plugin_named_twice_is_a_conflict() -> None:
    with pytest.raises(PluginConflict, match="the plugin acme is named twice"):
        load_plugins([plugin("acme"), plugin("acme")])


def _hook() -> None: ...


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"actions": (Action("Ping", NoConfig, NoConfig, _hook),)}, "action Ping"),
        ({"commands": (Command("Pong", NoConfig, NoConfig),)}, "command Pong"),
        ({"facts": (Fact("ponged", NoConfig, _hook),)}, "fact ponged"),
    ],
)
def test_everything_has_one_owner(members: dict[str, Any], kind: str) -> None:
    with pytest.raises(PluginConflict, match=f"one and two both offer the {kind}: only one of them can be enabled"):
        load_plugins([plugin("one", **members), plugin("two", **members)])


def test_tables_start_with_their_owners_name() -> None:
    metadata = sa.MetaData()
    sa.Table("acme_price", metadata)
    check_claims([Loaded(plugin("acme", migrations=Migrations("acme", metadata)))])
    sa.Table("invoice", metadata)
    with pytest.raises(PluginConflict, match="acme: the table invoice must be called acme_invoice"):
        check_claims([Loaded(plugin("acme", migrations=Migrations("acme", metadata)))])


# -- configuration -----------------------------------------------------------------------------------------------------


class Tariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cents: Annotated[int, msgspec.Meta(ge=0)] = 1


class AcmeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cents_per_kwh: int = 42
    token: str = ""
    tariff: Tariff = Tariff()
    tokens: tuple[str, ...] = ()


ACME = plugin("acme", config_type=AcmeConfig)


def test_a_table_becomes_the_plugins_config() -> None:
    table = {"cents_per_kwh": "39", "tariff": {"cents": 2}, "limits": {"hook_timeout": 2}}
    assert decode_config(ACME, table) == AcmeConfig(39, tariff=Tariff(2))
    assert decode_limits(ACME, table).hook_timeout == 2
    assert decode_limits(ACME, {}).hook_timeout is None


def test_secrets_come_from_the_environment() -> None:
    table = {"token": {"env": "TOKEN"}, "tokens": [{"env": "TOKEN"}, "plain"]}
    assert decode_config(ACME, table, {"TOKEN": "s3"}) == AcmeConfig(token="s3", tokens=("s3", "plain"))


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"cent_per_kwh": 3}, "[plugin.acme] cent_per_kwh: unknown key; did you mean cents_per_kwh?"),
        ({"zzz": 3}, "[plugin.acme] zzz: unknown key; known keys: cents_per_kwh, token, tariff, tokens"),
        ({"cents_per_kwh": []}, "[plugin.acme] cents_per_kwh: Expected `int`, got `array`"),
        ({"tariff": {"cents": -1}}, "[plugin.acme] tariff.cents: Expected `int` >= 0"),
        ({"tariff": {"cent": 1}}, "[plugin.acme] tariff.cent: unknown key; did you mean cents?"),
        ({"token": {"env": "NOWHERE"}}, "[plugin.acme] token: the environment variable NOWHERE is not set"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_a_sentence(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(ACME, table, {})
    assert str(caught.value) == complaint


def test_limits_are_checked_as_well() -> None:
    with pytest.raises(
        ConfigError, match=r"\[plugin.acme.limits\] hook_timout: unknown key; did you mean hook_timeout"
    ):
        decode_limits(ACME, {"limits": {"hook_timout": 1}})


def test_a_table_for_nobody_is_an_error() -> None:
    check_tables(["acme"], ["acme", "core"])
    with pytest.raises(ConfigError, match=r"\[plugin.acne\]: did you mean \[plugin.acme\]\?"):
        check_tables(["acne"], ["acme", "core"])

"""What is in the packages that users install."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from tests.architecture.conftest import ROOT, environment_with

PACKAGES = {path.name: path for path in [ROOT / "core/csmsd", *ROOT.glob("plugins/*/csmsd_*")]}


def tracked(folder: Path) -> set[Path]:
    """The files of a folder that are no rubbish."""
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_contains_every_file_of_every_package(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {str(path.relative_to(folder.parent)) for folder in PACKAGES.values() for path in tracked(folder)}
    assert names == wanted
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {f"{package}/migrations/versions/0001_first.py" for package in ("csmsd_core", "csmsd_web")} <= names
    assert "csmsd/_kernel/storage/migrations/versions/0001_first.py" in names


def test_the_wheel_names_its_licence_command_and_plugins(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [metadata] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    [entry_points] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt")]
    assert "License-Expression: Apache-2.0" in metadata
    assert "csmsd = csmsd.cli:main" in entry_points
    assert "core = csmsd_core:CorePlugin" in entry_points
    assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())


def test_the_source_distribution_is_enough_to_build_and_test(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "README.md", "LICENSE", "constraints.txt", "pyproject.toml", "tests/conftest.py"} <= names
    assert {"docs/requirements/rows.csv", "core/csmsd/py.typed", "examples/embed.py"} <= names


def test_the_wheel_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    bin_folder = environment_with(tmp_path / "venv", wheel)
    shown = subprocess.run(
        [str(bin_folder / "csmsd"), "check"], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "everything is in order" in shown.stdout


def test_the_editable_installation_has_the_same_entry_points(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [text] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt")]
    for entry in distribution("csmsd").entry_points:
        assert f"{entry.name} = {entry.value}" in text

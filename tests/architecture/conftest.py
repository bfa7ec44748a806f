"""csmsd as users get it: built into a wheel, and installed into an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Build = Callable[[Path], Path]


def build(project: Path, target: str, folder: Path) -> Path:
    """Build the wheel or sdist of a project, without the network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    [package] = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return package


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """csmsd's wheel."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """csmsd's source distribution."""
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def environment_with(folder: Path, *wheels: Path) -> Path:
    """A virtual environment with these wheels, and the rest from the one the tests run in; its `bin`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=100)
    python = folder / "bin" / "python"
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    asked = subprocess.run([str(python), "-c", script], check=True, capture_output=True, text=True, timeout=100)
    # A path in a .pth file is no site directory: the editable csmsd that is installed there stays out.
    (Path(asked.stdout.strip()) / "rest.pth").write_text(sysconfig.get_path("purelib"))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, *map(str, wheels)], check=True, timeout=100)
    return folder / "bin"

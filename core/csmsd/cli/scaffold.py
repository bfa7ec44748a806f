"""`csmsd plugin new`: a plugin's project that works, made from the files in `project`."""

from __future__ import annotations

import keyword
import re
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from csmsd._kernel.loader import NAME, installed_plugins
from csmsd.cli.failure import ExitCode, Failure

LONGEST = 30  # letters; names become parts of table names, and PostgreSQL ends those at 63
_SUFFIX = ".in"
_OUTSIDE = re.compile(r"[^a-z0-9]+")
_RESERVED = ("csmsd", "kernel", "limits")  # tables, lineages and keys of csmsd itself


def new_project(name: str, folder: Path | None, commands: tuple[str, ...]) -> Path:
    """Write the project of a plugin into a folder that is new or empty; where it is.

    `commands` are those of csmsd, which the plugin's own command line must not hide behind. Failure says what is in
    the way and what to do.
    """
    _refuse_bad_name(name, commands)
    root = folder or Path(f"csmsd-{name.replace('_', '-')}")
    _refuse_occupied(root)
    names = names_for(name)
    try:
        for path, text in project_files(name):
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Template(text).substitute(names), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{root} cannot be written: {error.strerror}") from error
    return root


def names_for(name: str) -> dict[str, str]:
    """What the templates call things, for a plugin of this name."""
    return {
        "name": name,
        "title": "".join(part.capitalize() for part in name.split("_")),
        "package": f"csmsd_{name}",
        "distribution": f"csmsd-{name.replace('_', '-')}",
        "version": version("csmsd"),
    }


def project_files(name: str) -> list[tuple[Path, str]]:
    """Every file of a new project: where it goes, and its text with placeholders."""
    return list(_files_in(files("csmsd.cli") / "project", Path(), f"csmsd_{name}"))


def _files_in(folder: Traversable, place: Path, package: str) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            found += _files_in(entry, place / (package if entry.name == "package" else entry.name), package)
        elif entry.name.endswith(_SUFFIX):
            called = entry.name.removesuffix(_SUFFIX)
            called = ".gitignore" if called == "gitignore" else called
            found.append((place / called, entry.read_text(encoding="utf-8")))
    return found


def _refuse_bad_name(name: str, commands: tuple[str, ...]) -> None:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        near = _OUTSIDE.sub("_", name.lower()).strip("_").lstrip("0123456789_")[:LONGEST].strip("_")
        advice = f"; did you mean {near}?" if NAME.fullmatch(near) else ""
        rule = f"lower-case letters and digits, in words joined by _, {LONGEST} at most"
        raise Failure(f"{name!r} is no name for a plugin: {rule}{advice}", ExitCode.USAGE)
    free = f"try {name}_plugin" if len(name) < LONGEST - 7 else "choose another"
    if keyword.iskeyword(name) or name in _RESERVED:
        raise Failure(f"the name {name} is reserved: {free}", ExitCode.USAGE)
    for entry in installed_plugins():
        if entry.name == name:
            owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module
            raise Failure(f"the name {name} is taken by the plugin of {owner}: {free}", ExitCode.USAGE)
    if name in commands:
        raise Failure(f"the name {name} is taken: `csmsd {name}` is a command already; {free}", ExitCode.USAGE)


def _refuse_occupied(root: Path) -> None:
    if root.is_dir():
        if any(root.iterdir()):
            raise Failure(f"the folder {root} exists and is not empty: name another with --dir")
    elif root.exists():
        raise Failure(f"{root} is a file: name a folder with --dir")

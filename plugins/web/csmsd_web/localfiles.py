"""What the CLI on the same machine finds by itself: `admin.token` and `http.url`, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from csmsd_web.tokens import Token, Tokens

TOKEN_FILE, URL_FILE = "admin.token", "http.url"
LOCAL_NAME = "local admin"
SYSTEM = "csmsd"


async def keep_admin_token(folder: Path, tokens: Tokens) -> None:
    """Leave a token that works; a file whose token does not is replaced, and older local tokens are revoked."""
    path = folder / TOKEN_FILE
    if tokens.verify(_read(path)) is not None:
        path.chmod(0o600)
        return
    for token in tokens.all():
        if is_local(token):
            await tokens.revoke(token.id, actor=SYSTEM)
    _, text = await tokens.mint(LOCAL_NAME, "admin", actor=SYSTEM)
    write_private(path, text)


def is_local(token: Token) -> bool:
    """Whether it is the one that whoever may read the data directory has."""
    return token.name == LOCAL_NAME and token.created_by == "csmsd"


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, mode 0600 from its first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    new.replace(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""

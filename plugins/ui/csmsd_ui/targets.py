"""Where a form may send its user afterwards: to a page of ours, never to another machine."""

from __future__ import annotations

from litestar.response import Redirect


def local_target(wanted: object) -> str:
    """The path if it is one of ours, else the overview."""
    text = str(wanted or "")
    is_ours = text.startswith("/ui/") and "\\" not in text and text.isascii() and text.isprintable()
    return text if is_ours else "/ui/"


def back_to(path: str) -> Redirect:
    """After a form: look at the result with a GET."""
    return Redirect(path, status_code=303)

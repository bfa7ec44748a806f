"""A file out of an HTTP request: its body, or the first file of a multipart form; streamed, never held (DIAG-04)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import trio
from multipart import (  # type: ignore[import-untyped]  # it is typed in part, and does not say so
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,  # pyright: ignore[reportUnknownVariableType]: half typed
)

from csmsd.errors import CsmsdError
from csmsd_firmware.vault import Draft, TooLarge

if TYPE_CHECKING:
    from litestar.types import Receive

Sink = Callable[[bytes], Awaitable[None]]
LONGEST_HEADERS = 16_384  # bytes, of one part of a form
MOST_PARTS = 32
OTHER_PARTS = 65_536  # bytes around the file


class Interrupted(CsmsdError):
    """The other side left, or fell silent, before the end."""


class BadForm(CsmsdError):
    """The body is no proper form, or has no file in it."""


async def read_body(receive: Receive, sink: Sink, idle_timeout: float) -> None:
    """Hand every piece of a request's body to `sink`; Interrupted."""
    while True:
        message: Any = None
        with trio.move_on_after(idle_timeout):
            message = await receive()
        if message is None:
            raise Interrupted(f"nothing came for {idle_timeout:g} s")
        if message["type"] != "http.request":
            raise Interrupted("the connection broke")
        await sink(message.get("body", b""))
        if not message.get("more_body", False):
            return


async def read_file(receive: Receive, content_type: str, draft: Draft, idle_timeout: float) -> str:
    """Read the file that a request brings into `draft`: its name as claimed, "" if there is none.

    Errors: Interrupted, BadForm, TooLarge.
    """
    kind, boundary = _kind_and_boundary(content_type)
    if kind.lower() != "multipart/form-data":
        await read_body(receive, draft.write, idle_timeout)
        return ""
    try:
        form = _Form(boundary, draft)
        await read_body(receive, form.take, idle_timeout)
        form.end()
    except MultipartError as error:
        raise BadForm(f"not a proper form: {error}") from error
    return form.file_name


def _kind_and_boundary(content_type: str) -> tuple[str, str]:
    kind, options = cast("tuple[str, dict[str, str]]", parse_options_header(content_type))
    return kind, options.get("boundary", "")


class _Form:
    """Finds the first file of a form while it is read."""

    def __init__(self, boundary: str, draft: Draft) -> None:
        self._parser = PushMultipartParser(
            boundary, max_header_size=LONGEST_HEADERS, max_segment_count=MOST_PARTS, strict=False
        )
        self._draft = draft
        self._wanted: MultipartSegment | None = None
        self._is_inside = False
        self._left = draft.limit + OTHER_PARTS
        self.file_name = ""

    async def take(self, data: bytes) -> None:
        """The next piece of the body; TooLarge, MultipartError."""
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("too much around the file")
        for event in self._parser.parse(data):
            if isinstance(event, MultipartSegment):
                self._is_inside = self._wanted is None and event.filename is not None
                if self._is_inside:
                    self._wanted, self.file_name = event, event.filename or ""
            elif event is None:
                self._is_inside = False
            elif self._is_inside:
                await self._draft.write(bytes(event))

    def end(self) -> None:
        """The body is complete; BadForm, MultipartError."""
        self._parser.close()
        if self._wanted is None:
            raise BadForm("a form without a file")

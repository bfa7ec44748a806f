"""Logging of the daemon: one line a record on standard error, for people or as JSON."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Literal

import msgspec

from csmsd.config import Config

# What stations send may end up in a record: it must not be able to forge a line or move a terminal's cursor.
_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
_ESCAPES[ord("\n")], _ESCAPES[ord("\t")] = "\\n", "\\t"
_ENCODER = msgspec.json.Encoder()


class _Line(msgspec.Struct, omit_defaults=True):
    """One record as JSON."""

    time: datetime
    level: str
    logger: str
    message: str
    exception: str = ""


class TextFormatter(logging.Formatter):
    """`12:01:59.123 WARNING csmsd.door  message`, local time; a traceback follows on lines of its own, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        at = datetime.fromtimestamp(record.created).astimezone()
        line = f"{at:%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.name}  {_message(record)}"
        trace = _trace(self, record)
        indented = "".join(f"\n    {part.translate(_ESCAPES)}" for part in trace.split("\n")) if trace else ""
        return line + indented


class JsonFormatter(logging.Formatter):
    """`{"time":…,"level":…,"logger":…,"message":…}`, UTC, with `exception` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = _Line(at, record.levelname.lower(), record.name, record.getMessage(), _trace(self, record))
        return _ENCODER.encode(line).decode()


def set_up_logging(config: Config) -> None:
    """Send everything csmsd and its plugins log to standard error; libraries only from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for(config.log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("csmsd").setLevel(config.log_level.upper())
    logging.captureWarnings(True)


def formatter_for(kind: Literal["text", "json"]) -> logging.Formatter:
    """The formatter of `log_format`."""
    return JsonFormatter() if kind == "json" else TextFormatter()


def _message(record: logging.LogRecord) -> str:
    return record.getMessage().translate(_ESCAPES)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    return record.exc_text or ""

"""Logging of the daemon: one line a record on standard error, for people or as JSON."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from csmsd.config import Config

# What stations send may end up in a record: it must not be able to forge a line or move a terminal's cursor.
_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
_ESCAPES[ord("\n")], _ESCAPES[ord("\t")] = "\\n", "\\t"
_ABOUT = ("station", "plugin", "action", "peer", "actor", "way", "subject", "audit")
_PLUGIN_LOGGER, _PACKAGE = "csmsd.plugin.", "csmsd_"
_ENCODER = msgspec.json.Encoder()


class _Line(msgspec.Struct, omit_defaults=True):
    """One record as JSON."""

    time: datetime
    level: str
    logger: str
    message: str
    # What it is about, where the record says so (`extra={"station": …}`):
    station: str = ""
    plugin: str = ""
    action: str = ""  # an OCPP action, a fact, or what the audit calls a change
    peer: str = ""
    actor: str = ""
    way: str = ""
    subject: str = ""
    audit: str = ""  # number and hash of the audit's entry: who keeps them can prove what the audit said
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
    """`{"time":…,"level":…,"logger":…,"message":…}`, UTC, and `station`, `plugin`, `action`, `exception`… if known."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        at = datetime.fromtimestamp(record.created, UTC)
        about = {name: str(value) for name in _ABOUT if (value := getattr(record, name, ""))}
        about.setdefault("plugin", _plugin_of(record))
        line = _Line(
            at, record.levelname.lower(), record.name, record.getMessage(), exception=_trace(self, record), **about
        )
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


def _plugin_of(record: logging.LogRecord) -> str:
    """Whose code speaks: by its logger `csmsd.plugin.<name>`, or by its package `csmsd_<name>`."""
    if record.name.startswith(_PLUGIN_LOGGER):
        return record.name.removeprefix(_PLUGIN_LOGGER).partition(".")[0]
    folder = Path(record.pathname).parent.name
    return folder.removeprefix(_PACKAGE) if folder.startswith(_PACKAGE) else ""


def _message(record: logging.LogRecord) -> str:
    return record.getMessage().translate(_ESCAPES)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    return record.exc_text or ""

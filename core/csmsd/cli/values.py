"""Values of keys: from text and TOML to what the Structs hold, and back to text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import inspect

from csmsd.cli.keys import Key
from csmsd.errors import ConfigError

_SECRET = re.compile(r"(^|_)(password|secret|token|passphrase|api_key)(_|$)")
_URL_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")
_PLACE = re.compile(r" - at `\$[^`]*`$")


def from_text(key: Key, text: str, origin: str) -> Any:
    """The value of a key given as text, in an environment variable or on the command line; ConfigError."""
    return _convert(key, raw_of(key, text), origin, text, strict=False)


def raw_of(key: Key, text: str) -> Any:
    """Text as it could stand in a file: lists are split at their commas."""
    if key.is_list:
        return [part.strip() for part in text.split(",")] if text.strip() else []
    return text.strip() if key.type is not str else text


def from_toml(key: Key, value: Any, origin: str) -> Any:
    """The value of a key from a file; ConfigError. Numbers and truth values must be written as such there."""
    return _convert(key, value, origin, value, strict=True)


def _convert(key: Key, value: Any, origin: str, shown: Any, *, strict: bool) -> Any:
    try:
        if key.name == "plugins":  # in an embedding program it may hold classes; from here only names
            return msgspec.convert(value, tuple[str, ...])
        return msgspec.convert(value, key.type, strict=strict, dec_hook=_path)
    except (msgspec.ValidationError, TypeError):
        got = "" if is_secret(key.path) else f", not {toml(shown)}"
        raise ConfigError(f"{origin}: {key.name} must be {expectation(key)}{got}") from None


def _path(wanted: type, value: Any) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"a {wanted} cannot be made of {value!r}")


def expectation(key: Key) -> str:
    """What a key accepts, in words."""
    if key.choices:
        return " or ".join(key.choices)
    return "a list of names" if key.name == "plugins" else _words(inspect.type_info(key.type))


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _bounds(kind)
        case inspect.FloatType():
            return "a number" + _bounds(kind)
        case inspect.LiteralType(values=values):
            return " or ".join(str(value) for value in values)
        case inspect.EnumType(cls=cls):
            return " or ".join(str(member.value) for member in cls)
        case inspect.UnionType(types=types):
            return " or ".join(_words(each) for each in types)
        case inspect.NoneType():
            return "nothing"
        case inspect.CollectionType(item_type=item):
            return f"a list; of each: {_words(item)}"
        case inspect.CustomType(cls=cls) if cls is Path:
            return "a path"
        case inspect.DictType():
            return "a table"
        case _:
            return "text"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    named = (("above", kind.gt), ("of at least", kind.ge), ("below", kind.lt), ("of at most", kind.le))
    given = [f"{word} {bound:g}" for word, bound in named if bound is not None]
    return " " + " and ".join(given) if given else ""


def is_secret(path: Sequence[str]) -> bool:
    """Is the value of such a key for nobody's eyes?"""
    return bool(_SECRET.search(path[-1]))


def shown(path: Sequence[str], value: Any) -> str:
    """A value for people, as in TOML; secrets are masked (references to the environment are no secrets)."""
    if isinstance(value, str):
        if value and is_secret(path):
            return '"***"'
        return toml(_URL_PASSWORD.sub(r"\1:***@", value))
    if isinstance(value, dict) and not is_reference(cast("dict[str, Any]", value)):
        entries = cast("dict[str, Any]", value)
        return "{ " + ", ".join(f"{key} = {shown((*path, key), item)}" for key, item in entries.items()) + " }"
    return toml(value)


def is_reference(value: object) -> bool:
    """`{ env = "NAME" }`: the value is in that environment variable."""
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {"env"}


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return toml(value.value)
        case int():
            return f"{value:_}" if value >= 10_000 else str(value)
        case float():
            return repr(value)
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            entries = cast("Mapping[str, Any]", value)
            return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in entries.items()) + " }"
        case list() | tuple() | set() | frozenset():
            return "[" + ", ".join(toml(item) for item in cast("Sequence[Any]", value)) + "]"
        case None:
            return '""'
        case _:
            return toml(str(value))

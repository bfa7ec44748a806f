"""The keys of the configuration, read off the Structs that hold it: names, types, defaults, help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import inspect

from csmsd.config import Config

PREFIX = "CSMSD_"


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be set."""

    path: tuple[str, ...]
    type: Any
    default: Any  # msgspec.NODEFAULT if it has to be given
    help: str

    @property
    def name(self) -> str:
        """As in `--set`: `limits.call_timeout`."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + "_".join(self.path).upper()

    @property
    def flag(self) -> str:
        """The command-line option."""
        return "--" + "-".join(self.path).replace("_", "-")

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it may have, in the order of declaration; () if they cannot be counted."""
        bare, _ = _split(self.type)
        if get_origin(bare) is Literal:
            return tuple(str(value) for value in get_args(bare))
        if isinstance(bare, type) and issubclass(bare, Enum):
            return tuple(str(member.value) for member in bare)
        return ()

    @property
    def is_list(self) -> bool:
        """Does it hold several values? As text they are separated by commas."""
        return _holds_several(inspect.type_info(self.type))


def keys_of(struct: type[msgspec.Struct], prefix: tuple[str, ...] = ()) -> Iterator[Key]:
    """Every key of a Struct and of the Structs in it, in the order of declaration."""
    for field in msgspec.structs.fields(struct):
        path = (*prefix, field.encode_name)
        type_, help_ = _split(field.type)
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            yield from keys_of(type_, path)
        else:
            yield Key(path, field.type, _default_of(field), help_)


def section_help(section: str) -> str:
    """What a section of the kernel's keys is about: the first line of its Struct's docstring."""
    struct: msgspec.Struct = getattr(Config(), section)
    return (struct.__doc__ or "").strip().partition("\n")[0]


def _split(annotation: Any) -> tuple[Any, str]:
    """The bare type, and the text among its annotations."""
    if get_origin(annotation) is not Annotated:
        return annotation, ""
    bare, *extras = get_args(annotation)
    return bare, next((extra for extra in extras if isinstance(extra, str)), "")


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _holds_several(kind: inspect.Type) -> bool:
    match kind:
        case inspect.Metadata(type=inner):
            return _holds_several(inner)
        case inspect.UnionType(types=types):
            return any(_holds_several(each) for each in types)
        case inspect.CollectionType() | inspect.TupleType():
            return True
        case _:
            return False


def _kernel_keys() -> Iterator[Key]:
    return (key for key in keys_of(Config) if key.name != "plugin")


KERNEL_KEYS: Mapping[str, Key] = {key.name: key for key in _kernel_keys()}

"""What a hook's annotation says about its answers, as a check that a plugin's answer passes or not."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

Check = Callable[[Any], bool]


def check_of(spec: Callable[..., Any]) -> Check | None:
    """None if every answer will do: nothing is annotated, nobody reads the answer, or the type cannot be checked.

    A type that the spec's module imports for type checkers only is not there at run time, so it cannot be checked.
    """
    annotation = spec.__annotations__.get("return")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, spec.__globals__)  # noqa: S307 - the spec's own text, as typing itself does
        except (NameError, TypeError):
            return None
    return None if annotation is None else _check(annotation)


def _check(wanted: Any) -> Check | None:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in {Union, UnionType}:
        return _one_of(tuple(each for each in arguments if each is not NoneType))
    if origin is Literal:
        return lambda answer: answer in arguments
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return _collection(arguments[0] if len(arguments) == 1 else Any)
    if origin is type:
        return _subclass(arguments[0])
    if origin is Callable or wanted is Callable:
        return callable
    if wanted is float:
        return lambda answer: isinstance(answer, (int, float))
    if isinstance(wanted, type) and origin is None and not typing.is_typeddict(wanted):
        return _instance(wanted)
    return None


def _instance(wanted: type) -> Check | None:
    try:
        isinstance(None, wanted)
    except TypeError:  # a protocol that is not made for this
        return None
    return lambda answer: isinstance(answer, wanted)


def _subclass(wanted: Any) -> Check | None:
    if not isinstance(wanted, type):
        return None
    return lambda answer: isinstance(answer, type) and issubclass(answer, wanted)


def _one_of(wanted: tuple[Any, ...]) -> Check | None:
    checks = [_check(each) for each in wanted]
    known = [check for check in checks if check is not None]
    if len(known) < len(checks):
        return None
    return known[0] if len(known) == 1 else lambda answer: any(check(answer) for check in known)


def _collection(item: Any) -> Check:
    check = _check(item)

    def is_collection(answer: Any) -> bool:
        if not isinstance(answer, Iterable) or isinstance(answer, (str, bytes)):
            return False
        return check is None or all(check(each) for each in answer)  # pyright: ignore[reportUnknownVariableType]  # anything

    return is_collection

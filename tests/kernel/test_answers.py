"""What a hook's annotation says about its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

from csmsd import hookspecs
from csmsd._kernel.answers import check_of
from csmsd.hookspecs import COLOUR_ATTRIBUTE

if TYPE_CHECKING:
    from csmsd.host import Host


class Point(NamedTuple):
    x: int


def one() -> Point | None: ...
def some() -> Iterable[str]: ...  # type: ignore[empty-body]  # only the annotations matter
def many() -> Sequence[type[Point] | Callable[[], int]]: ...  # type: ignore[empty-body]  # only the annotations matter
def number() -> float: ...  # type: ignore[empty-body]  # only the annotations matter
def word() -> Literal["yes", "no"]: ...  # type: ignore[empty-body]  # only the annotations matter
def anything() -> Any: ...
def nothing() -> None: ...
def not_imported() -> Host: ...  # type: ignore[empty-body]  # only the annotations matter


@pytest.mark.parametrize(
    ("spec", "fine", "nonsense"),
    [
        (one, [Point(1)], [1, (1,), "x"]),
        (some, [[], ["a"], ("a", "b"), {"a": 1}], ["text", b"bytes", [1], ["a", None], 7]),
        (many, [[Point, len]], [[1], Point]),
        (number, [1, 1.5], ["1"]),
        (word, ["yes"], ["maybe"]),
    ],
)
def test_answers_are_checked_by_the_annotation(spec: Any, fine: list[Any], nonsense: list[Any]) -> None:
    check = check_of(spec)
    assert check is not None
    assert all(check(answer) for answer in fine)
    assert not any(check(answer) for answer in nonsense)


@pytest.mark.parametrize("spec", [anything, nothing, not_imported])
def test_what_cannot_be_checked_is_accepted(spec: Any) -> None:
    assert check_of(spec) is None


def test_every_answer_of_a_hook_that_is_asked_by_a_verb_is_checked() -> None:
    """Answers of actions and those with a fallback are checked by their type; nobody reads those of the others."""
    modules = [hookspecs, *(spec for entry in entry_points(group="csmsd.plugins") for spec in entry.load().specs)]
    unchecked = {
        name
        for module in modules
        for name, function in vars(module).items()
        if hasattr(function, COLOUR_ATTRIBUTE) and check_of(function) is None
        if function.__annotations__["return"] != "None" and "arrival" not in function.__annotations__
    }
    assert unchecked == {"authorize_id_tag"}

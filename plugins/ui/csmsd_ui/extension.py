"""What other plugins add to the pages. The hooks that ask for these are in `csmsd_ui.hookspecs`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

PanelPlace = Literal["overview", "station", "transaction", "plugin", "settings"]
Scope = Literal["read", "operate", "admin"]


class Fragment(Markup):
    """HTML that `Pages.fragment` has made, with everything from outside escaped; a plain `str` is not accepted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the menu; below a heading with the plugin's name unless `group` names one of ours."""

    label: str
    path: str  # begins with "/"
    group: str = ""  # "Operate", "Diagnose", "System"; "" = the plugin's own
    icon: str = "log"  # a name from the sprite
    scope: Scope = "read"


# Called with the place's subject: a station's id, a transaction's id, a plugin's name; "" for overview and settings.
RenderPanel = Callable[[str], Awaitable[Fragment]]
# Called once for a page with the ids of its rows; ids that it leaves out have an empty cell.
RenderCells = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Panel:
    """A card on one of our pages."""

    place: PanelPlace
    title: str
    render: RenderPanel
    scope: Scope = "read"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list of stations, or of transactions; cells are text, never HTML."""

    table: Literal["stations", "transactions"]
    label: str
    cells: RenderCells
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class FormHint:
    """What makes the form of a command easier; without one the form works too."""

    command: str  # by OCPP name
    order: Sequence[str] = ()  # fields that come first, by OCPP name
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])  # text to begin with, by dotted OCPP name
    help: Mapping[str, str] = field(default_factory=dict[str, str])  # a sentence, by dotted OCPP name
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])  # suggestions

"""Two kinds of charts as SVG, readable on light and dark pages: bars and lines. Nothing but text is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _MARGIN = 760, 16
_LABELS = 264  # where bars begin
_BAR, _GAP = 16, 7
_PLOT_HEIGHT, _LINE_LABELS = 300, 250  # of a line chart; what the names at the ends of lines need
_HUES = ("#2f6fde", "#d9730d", "#2a9d5c", "#b5489a", "#8a7a1d", "#d1453b", "#3aa3b5")
_STYLE = """
.page{fill:#fff}text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}
.quiet{fill:#59636e}.ours{fill:#2f6fde}.peer{fill:#9aa4af}.grid{stroke:#d1d9e0}.line{fill:none;stroke-width:2}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#e6edf3}.quiet{fill:#9198a1}.ours{fill:#5b93f5}
.peer{fill:#6e7781}.grid{stroke:#3d444d}}
"""


class Bar(NamedTuple):
    """One server's figure."""

    name: str
    value: float
    is_ours: bool


class Panel(NamedTuple):
    """Bars that share a scale."""

    title: str
    bars: Sequence[Bar]


class Line(NamedTuple):
    """One server's figures; None where it was not measured."""

    name: str
    values: Sequence[float | None]


def bars(title: str, note: str, panels: Sequence[Panel], form: str) -> str:
    """Horizontal bars. `note` says what is good; `form` formats a value."""
    parts, y = _heading(title, note), 70.0
    for panel in panels:
        most = max((bar.value for bar in panel.bars), default=0) or 1
        parts.append(_text(_MARGIN, y, panel.title, "quiet"))
        y += 10
        for bar in panel.bars:
            width = max(1.0, (_WIDTH - _LABELS - 90) * bar.value / most)
            parts.append(_text(_LABELS - 8, y + 12, bar.name, anchor="end"))
            kind = "ours" if bar.is_ours else "peer"
            parts.append(f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>')
            parts.append(_text(_LABELS + width + 6, y + 12, form.format(bar.value)))
            y += _BAR + _GAP
        y += 22
    return _page(parts, title, y - 10)


def lines(title: str, note: str, marks: Sequence[str], found: Sequence[Line], form: str, *, is_log: bool) -> str:
    """Lines over marks that stand at equal distances."""
    left, right, top = 70, _WIDTH - _LINE_LABELS, 62
    bottom = top + _PLOT_HEIGHT
    values = [value for line in found for value in line.values if value]
    ticks = _ticks(min(values, default=1), max(values, default=1), is_log=is_log)

    def scaled(value: float) -> float:
        low, high, at = ticks[0], ticks[-1], value
        if is_log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, ticks[0]))
        return bottom - _PLOT_HEIGHT * (at - low) / (high - low)

    places = [left + 20 + (right - left - 40) * number / max(len(marks) - 1, 1) for number in range(len(marks))]
    parts = _heading(title, note)
    for tick in ticks:
        y = scaled(tick)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, y + 4, form.format(tick), "quiet", "end"))
    parts += [_text(x, bottom + 20, mark, "quiet", "middle") for x, mark in zip(places, marks, strict=True)]
    ends: list[tuple[float, str, str]] = []
    for number, line in enumerate(found):
        hue = _HUES[number % len(_HUES)]
        points = [(x, scaled(value)) for x, value in zip(places, line.values, strict=True) if value]
        if not points:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line" stroke="{hue}" points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{hue}"/>' for x, y in points]
        last = next(value for value in reversed(line.values) if value)
        ends.append((points[-1][1], f"{line.name}: {form.format(last)}", hue))
    parts += _names(ends, right + 8, bottom)
    return _page(parts, title, bottom + 40)


def _names(ends: list[tuple[float, str, str]], x: float, bottom: float) -> list[str]:
    """Beside the ends of the lines, none upon another."""
    parts: list[str] = []
    heights: list[float] = []
    for y, _, _ in sorted(ends):
        heights.append(max(y, heights[-1] + 17) if heights else y)
    too_low = max(0.0, heights[-1] - bottom) if heights else 0.0
    for height, (_, name, hue) in zip(heights, sorted(ends), strict=True):
        y = height - too_low
        parts.append(f'<circle cx="{x + 4}" cy="{y:.1f}" r="4" fill="{hue}"/>')
        parts.append(_text(x + 14, y + 4, name))
    return parts


def _ticks(least: float, most: float, *, is_log: bool) -> list[float]:
    if is_log:
        first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    step = 10.0 ** math.floor(math.log10(most))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if most / (step * part) <= 5)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def _heading(title: str, note: str) -> list[str]:
    return [_text(_MARGIN, 24, title, "title"), _text(_MARGIN, 42, note, "quiet")]


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _page(parts: Sequence[str], title: str, height: float) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>'
        f'<rect class="page" width="{_WIDTH}" height="{height:.0f}" rx="6"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])

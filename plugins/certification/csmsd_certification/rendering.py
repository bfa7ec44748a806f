"""A report for people: text, Markdown, HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

import msgspec

from csmsd_certification.results import CaseResult, Report, ResponseTime
from csmsd_certification.wire import Line

TITLE = "OCPP 1.6 compliancy test of a central system"
_ARROWS = {"sent": "->", "received": "<-", "event": "--"}
_Rows = list[tuple[str, ...]]
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.3rem .7rem;border-bottom:1px
solid #d5dbe3;vertical-align:top}.Pass{color:#176b3a}.Fail{color:#b3261e;font-weight:600}
pre{background:#f3f5f8;padding:.8rem;overflow-x:auto;font-size:13px}
@media (prefers-color-scheme:dark){body{background:#12161c;color:#dfe5ec}pre{background:#1b212a}.Pass{color:#6fd39a}
.Fail{color:#ff8a80}}"""


def as_json(report: Report) -> str:
    """Everything, for programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_text(report: Report) -> str:
    """The abstract, and what failed, for a terminal."""
    parts = [f"{TITLE}: {'PASS' if report.has_passed else 'FAIL'}"]
    for title, headings, rows in _tables(report):
        parts.append("\n".join([title, *_columns([headings, *rows])]))
    parts += ["\n".join(_failure_lines(case)) for case in _failed(report)]
    return "\n\n".join(parts) + "\n"


def as_markdown(report: Report) -> str:
    """The abstract, every case, and what failed."""
    parts = [f"# {TITLE}: {'PASS' if report.has_passed else 'FAIL'}"]
    for title, headings, rows in (*_tables(report), _case_table(report)):
        cells = [[cell.replace("|", "\\|") for cell in row] for row in (headings, ["---"] * len(headings), *rows)]
        parts.append("\n".join([f"## {title}", "", *(f"| {' | '.join(row)} |" for row in cells)]))
    parts += ["\n".join(["```", *_failure_lines(case), "```"]) for case in _failed(report)]
    return "\n\n".join(parts) + "\n"


def as_html(report: Report) -> str:
    """The same as one page that needs nothing else."""
    verdict = "PASS" if report.has_passed else "FAIL"
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{TITLE}: {verdict}</title>',
        f"<style>{_STYLE}</style><h1>{TITLE}: {verdict}</h1>",
    ]
    for title, headings, rows in (*_tables(report), _case_table(report)):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in headings)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        parts.append(f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>")
    parts += [f"<pre>{escape(chr(10).join(_failure_lines(case)))}</pre>" for case in _failed(report)]
    return "\n".join([*parts, "</html>", ""])


FORMATS: dict[str, Callable[[Report], str]] = {
    ".json": as_json,
    ".md": as_markdown,
    ".html": as_html,
    ".txt": as_text,
}
"""By the ending of the file's name."""


def _tables(report: Report) -> Iterator[tuple[str, Sequence[str], _Rows]]:
    functionalities: _Rows = [
        (each.name, each.verdict, str(each.passed), str(each.failed), str(each.not_applicable))
        for each in report.functionalities
    ]
    yield "Functionality", ("functionality", "result", "passed", "failed", "not applicable"), functionalities
    times: _Rows = [_time_row(each) for each in report.response_times]
    yield "Performance", ("measured", "result", "longest", "median", "answers", "limit"), times
    system = report.system
    configuration: _Rows = [
        (system.name, system.version),
        ("Began", report.began_at.isoformat(timespec="seconds")),
        ("Duration", f"{report.seconds:.1f} s"),
        *system.configuration,
    ]
    yield "Test configuration", ("what", "value"), configuration
    plugins: _Rows = [
        (each.name, each.version, ", ".join(f"{name} ({uses})" for name, uses in each.messages) or "-")
        for each in report.plugins
    ]
    yield "Plugins", ("plugin", "version", "exercised (in so many cases)"), plugins


def _time_row(measured: ResponseTime) -> tuple[str, ...]:
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f} s"

    longest, median = seconds(measured.longest), seconds(measured.median)
    return measured.name, measured.verdict, longest, median, str(measured.count), f"{measured.limit:g} s"


def _case_table(report: Report) -> tuple[str, Sequence[str], _Rows]:
    rows: _Rows = [(case.id, case.name, case.functionality, case.verdict, _remark(case)) for case in report.cases]
    return "Cases", ("case", "name", "functionality", "result", "remark"), rows


def _remark(case: CaseResult) -> str:
    if case.failure is not None:
        return f"{case.failure.step}: expected {case.failure.expected}, got {case.failure.got}"
    return case.reason or (f"no plugin offers {', '.join(case.lacking)}" if case.lacking else "")


def _failed(report: Report) -> Iterable[CaseResult]:
    return (case for case in report.cases if case.failure is not None)


def _failure_lines(case: CaseResult) -> Iterator[str]:
    if case.failure is None:
        return
    yield f"{case.id} {case.name}: FAIL"
    yield f"  step      {case.failure.step}"
    yield f"  expected  {case.failure.expected}"
    yield f"  got       {case.failure.got}"
    yield from (f"  {_wire_line(line)}" for line in case.wire)


def _wire_line(line: Line) -> str:
    return f"{line.at:9.3f} {_ARROWS[line.direction]} {line.text}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in ("Pass", "Fail") else ""
    return f"<td{kind}>{escape(text)}</td>"

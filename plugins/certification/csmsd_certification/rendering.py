"""A report for people: text, Markdown, HTML."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from html import escape
from textwrap import wrap

import msgspec

from csmsd_certification.results import CaseResult, Report, ResponseTime
from csmsd_certification.wire import Line

TITLE = "OCPP 1.6 compliancy test of a central system"
_ARROWS = {"sent": "->", "received": "<-", "event": "--"}
NO_CERTIFICATE = "This is no certificate: that is the Open Charge Alliance's to give."
_WIDTH, _NARROWEST = 116, 40  # characters of a table for the terminal, and of its last column
_Rows = list[tuple[str, ...]]
_CLASSES = {"Pass": "pass", "PASS": "pass", "Fail": "fail", "FAIL": "fail", "Not applicable": "aside"}
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .7rem;border-bottom:1px
solid #d5dbe3;vertical-align:top}.pass{color:#176b3a}.fail{color:#b3261e;font-weight:600}.aside{color:#5d6876}
.wide{overflow-x:auto}
h1{line-height:1.2}td{overflow-wrap:break-word}a{color:inherit}
pre{background:#f3f5f8;padding:.8rem;overflow-x:auto;font-size:13px}
@media (prefers-color-scheme:dark){body{background:#12161c;color:#dfe5ec}pre{background:#1b212a}.pass{color:#6fd39a}
.fail{color:#ff8a80}.aside{color:#98a4b3}th,td{border-color:#2c3542}}"""


def as_json(report: Report) -> str:
    """Everything, for programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_text(report: Report) -> str:
    """The abstract, and what failed, for a terminal."""
    parts = [f"{TITLE}: {_verdict(report)}", _lead(report)]
    for title, headings, rows in (*_tables(report), *_reasons(report)):
        parts.append("\n".join([title, *_columns([headings, *rows])]))
    parts += ["\n".join(_failure_lines(case)) for case in _failed(report)]
    return "\n\n".join(parts) + "\n"


def as_markdown(report: Report) -> str:
    """The abstract, every case, and what failed."""
    parts = [f"# {TITLE}: {_verdict(report)}", _lead(report)]
    for title, headings, rows in (*_tables(report), _case_table(report)):
        cells = [[cell.replace("|", "\\|") for cell in row] for row in (headings, ["---"] * len(headings), *rows)]
        parts.append("\n".join([f"## {title}", "", *(f"| {' | '.join(row)} |" for row in cells)]))
    parts += ["\n".join(["```", *_failure_lines(case), "```"]) for case in _failed(report)]
    return "\n\n".join([*parts, NO_CERTIFICATE]) + "\n"


def as_html(report: Report) -> str:
    """The same as one page that needs nothing else."""
    verdict = _verdict(report)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{TITLE}: {verdict}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<style>{_STYLE}</style><h1>{TITLE}: <span class="{_CLASSES[verdict]}">{verdict}</span></h1>',
        f"<p>{escape(_lead(report))}</p>",
    ]
    failed = {case.id for case in _failed(report)}
    for title, headings, rows in (*_tables(report), _case_table(report)):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in headings)
        body = "".join(f"<tr>{''.join(_cell(cell, failed) for cell in row)}</tr>" for row in rows)
        parts.append(f'<h2>{escape(title)}</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>')
    if failed:
        parts.append("<h2>What failed</h2>")
    parts += [
        f'<pre id="{escape(case.id)}">{escape(chr(10).join(_failure_lines(case)))}</pre>' for case in _failed(report)
    ]
    return "\n".join([*parts, f'<p class="aside">{NO_CERTIFICATE}</p></html>', ""])


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
        ("System under test", f"{system.name} {system.version}".rstrip()),
        ("Began", report.began_at.isoformat(timespec="seconds")),
        ("Duration", f"{report.seconds:.1f} s"),
        *system.configuration,
    ]
    yield "Test configuration", ("what", "value"), configuration
    plugins: _Rows = [
        (each.name, each.version, ", ".join(f"{name} ({uses})" for name, uses in each.messages) or "-")
        for each in report.plugins
    ]
    yield "Messages", ("offered by", "version", "exercised (in so many cases)"), plugins


def _verdict(report: Report) -> str:
    return "PASS" if report.has_passed else "FAIL"


def _lead(report: Report) -> str:
    verdicts = [case.verdict for case in report.cases]
    passed, failed, aside = (verdicts.count(verdict) for verdict in ("Pass", "Fail", "Not applicable"))
    more = [f"{failed} failed"] if failed else []
    more += [f"{aside} not applicable"] if aside else []
    more += [f"{len(report.not_run)} not run"] if report.not_run else []
    name = f"{report.system.name} {report.system.version}".rstrip()
    count = len(verdicts) + len(report.not_run)
    return f"{name}: {', '.join([f'{passed} of {count} cases passed', *more])}."


def _reasons(report: Report) -> Iterator[tuple[str, Sequence[str], _Rows]]:
    """Why cases do not count; where all cases are listed it stands beside them."""
    cases: dict[str, list[str]] = {}
    for case in report.cases:
        if case.verdict == "Not applicable":
            cases.setdefault(_remark(case), []).append(case.id)
    if cases:
        yield "Not applicable", ("why", "cases"), [(reason, ", ".join(ids)) for reason, ids in cases.items()]


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
    """Side by side; what is too long for the last column goes on below."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    room = max(_NARROWEST, _WIDTH - sum(width + 2 for width in widths))
    for *cells, last in rows:
        first, *rest = wrap(last, room, break_long_words=False, break_on_hyphens=False) or [""]
        start = "".join(f"  {cell.ljust(width)}" for cell, width in zip(cells, widths, strict=True))
        yield f"{start}  {first}".rstrip()
        yield from (f"{' ' * len(start)}  {line}" for line in rest)


def _cell(text: str, failed: Collection[str]) -> str:
    kind = f' class="{_CLASSES[text]}"' if text in _CLASSES else ""
    shown = f'<a href="#{escape(text)}">{escape(text)}</a>' if text in failed else escape(text)
    return f"<td{kind}>{shown}</td>"

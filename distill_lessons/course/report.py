"""One HTML page about a run: what was measured, whether the claims hold, and every figure.

Reads executed notebooks only. The page is one file without scripts or links to elsewhere, so that
it can be mailed, printed and kept.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill_lessons.claims import MIME, UNITS, Effect
from distill_lessons.course.running import Result, first_line

UNREADABLE = "a claim is stored in a form that this version of the course cannot read."

_NUMBER = re.compile(r"(?<![\w&#.])([-+]?)(\d[\d.,]*\d|\d)(?:e([-+]\d+))?(?![\w;])")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# As `plots.show` writes it; a picture by itself is an output of its own.
_FIGURE = re.compile(
    r'<img alt="([^"]*)" src="data:image/(png|webp);base64,([^"]*)"(?: width="(\d+)")?'
)
_TAGS = re.compile(r"[*_$]|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class ClaimRow:
    """A claim as found in an executed notebook, in the words of the table.

    Attributes:
        lesson: the notebook's stem.
        cell: the number that Jupyter shows beside the cell.
        line: the first line of the cell.
        statement: what is claimed.
        effect: the estimate with its unit.
        interval: the 95 % interval, or ``""`` where the number is exact.
        repeats: what the effect rests on, such as ``10 seeds``, or ``""`` for one number.
        wins: in how many of them the effect was positive, or ``""`` where that was not counted.
        needed: the bound in words.
        holds: whether it holds.
        verdict: ``"holds"``, ``"fails"``, or ``"open"`` where the interval is too wide to say.
    """

    lesson: str
    cell: int
    line: str
    statement: str
    effect: str
    interval: str
    repeats: str
    wins: str
    needed: str
    holds: bool
    verdict: str = "open"


@dataclass(frozen=True)
class Figure:
    """A picture of an executed notebook: its address, its description, its width or None."""

    source: str
    alt: str
    width: int | None


def claims_of(result: Result) -> list[ClaimRow]:
    """Return the claims that an executed lesson made, in order."""
    rows = []
    for number, cell, output in _outputs(result.notebook):
        about = (result.lesson.stem, number, first_line(cell.source))
        listed = output.get("data", {}).get(MIME, [])
        for data in listed if isinstance(listed, list) else [listed]:  # a file may hold anything
            try:
                rows.append(_row(data, *about))
            except (TypeError, ValueError, KeyError, AttributeError):
                rows.append(ClaimRow(*about, UNREADABLE, "–", "", "", "", "–", holds=False))
    return rows


def figures_of(notebook: Any) -> list[Figure]:
    """Return the figures of an executed notebook with their alt text, in order."""
    figures = []
    for _, _, output in _outputs(notebook):
        shown = _text(output, "text/html")
        figures += [
            Figure(
                f"data:image/{kind};base64,{data}",
                html.unescape(alt),
                int(width) if width else None,
            )
            for alt, kind, data, width in _FIGURE.findall(shown)
        ]
        png = "".join(_text(output, "image/png").split())  # stored with line ends, or as lines
        if png:
            about = output.get("metadata", {}).get("image/png")
            about = about if isinstance(about, dict) else {}
            width = about.get("width")
            alt = str(about.get("alt", ""))
            source = f"data:image/png;base64,{png}"
            figures.append(Figure(source, alt, width if isinstance(width, int) else None))
    return figures


def _text(output: Any, kind: str) -> str:
    """Return what a cell displays of a kind, stored as text or as lines; "" where it is neither."""
    stored = output.get("data", {}).get(kind, "")
    try:
        return "".join(stored)
    except TypeError:  # whoever displays {"image/png": 7} has no picture
        return ""


def title_of(notebook: Any, stem: str) -> str:
    """Return a notebook's first heading, or the stem of its file's name where it has none."""
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    heading = re.search(r"^#+ +(.+)$", "\n".join(text), flags=re.MULTILINE)
    if heading is None:
        return stem
    # Between backticks stands code, in which a star is a star.
    parts = heading[1].split("`")
    parts[::2] = [_TAGS.sub(r"\1", part) for part in parts[::2]]
    return "".join(parts).strip()


def problems(results: Iterable[Result]) -> list[str]:
    """Return one line for each cell that failed and each claim that does not hold."""
    lines = []
    for result in results:
        for row in claims_of(result):
            if row.statement == UNREADABLE:
                lines.append(f"{row.lesson}, cell [{row.cell}] `{row.line}`: {UNREADABLE}")
            elif not row.holds:
                lines.append(
                    f"{row.lesson}, cell [{row.cell}] `{row.line}`: claim does not hold: "
                    f"{row.statement} Measured {row.effect} {row.interval}".rstrip()
                    + f", needed {row.needed}."
                )
        if failure := result.failure:
            where = f", cell [{failure.cell}] `{failure.line}`" if failure.cell else ""
            lines.append(f"{result.lesson.stem}{where}: {failure.error}")
    return lines


def verdict(results: Sequence[Result]) -> str:
    """Return the outcome of a run in a sentence or two."""
    rows = [row for result in results for row in claims_of(result)]
    broken = sum(not row.holds for row in rows)
    stopped = sum(result.failure is not None for result in results)
    if not rows:
        text = "No claim was made."
    elif broken:
        text = f"{broken} of {_count(len(rows), 'claim')} {_s(broken, 'does', 'do')} not hold here."
    else:
        text = f"{_count(len(rows), 'claim')}: {_s(len(rows), 'it holds', 'all hold')}."
    if stopped:
        text += f" {_count(stopped, 'lesson')} did not run to {_s(stopped, 'its', 'their')} end."
    return text


def render(results: Sequence[Result], *, when: str, conditions: Sequence[str]) -> str:
    """Return the page.

    Args:
        results: the executed lessons.
        when: date and time of the run, as it is shown.
        conditions: lines about settings and versions.

    Returns:
        A complete HTML document.
    """
    import jinja2

    source = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["typeset"] = typeset
    failed = problems(results)
    lessons: list[dict[str, Any]] = [
        {
            "result": result,
            "stem": result.lesson.stem,
            "title": title_of(result.notebook, result.lesson.stem),
            "claims": claims_of(result),
            "figures": figures_of(result.notebook),
        }
        for result in results
    ]
    return environment.from_string(source).render(
        lessons=lessons,
        claims=any(lesson["claims"] for lesson in lessons),
        verdict=verdict(results),
        problems=failed,
        good=not failed,
        seconds=sum(result.seconds for result in results),
        when=when,
        conditions=conditions,
    )


def typeset(text: str) -> Any:
    """Return text as HTML: numbers set as in print and never broken, backticks around code.

    >>> str(typeset("above -1e-05 and below 2.5e-07"))
    'above <span class="keep">−10⁻⁵</span> and below <span class="keep">2.5·10⁻⁷</span>'
    """
    from markupsafe import Markup, escape

    def number(match: re.Match[str]) -> str:
        sign, digits, power = match.groups()
        if power:
            power = "10" + str(int(power)).translate(_RAISED)
            digits = power if digits == "1" else f"{digits}·{power}"
        return f'<span class="keep">{sign.replace("-", "−")}{digits}</span>'

    parts = str(escape(text)).split("`")
    parts[::2] = [_NUMBER.sub(number, part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return Markup("".join(parts))


def _outputs(notebook: Any) -> Iterator[tuple[int, Any, Any]]:
    # Counted by hand: a cell that died has no execution count of its own.
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    for number, cell in enumerate(code, start=1):
        for output in cell.get("outputs", []):
            yield number, cell, output


def _row(data: Any, lesson: str, cell: int, line: str) -> ClaimRow:
    """Return a claim's row; raise if the data are not those that `claims.Claim` stores."""
    numbers = [float("nan") if data[k] is None else data[k] for k in ("value", "low", "high")]
    value, low, high = map(float, numbers)
    effect = Effect(value, low, high, data["n"], data["wins"], data["unit"], data["per"])
    finite = data["value"] is not None
    return ClaimRow(
        lesson=lesson,
        cell=cell,
        line=line,
        statement=str(data["statement"]),
        effect=effect.number(value) + UNITS[effect.unit][1] if finite else "not a number",
        interval=_interval(effect),
        repeats=f"{effect.n} {effect.per}" if effect.n > 1 else "",
        wins="" if effect.wins is None else str(effect.wins),
        needed=str(data["condition"]),
        holds=data["holds"] is True,
        verdict=str(data.get("verdict", "holds" if data["holds"] is True else "open")),
    )


def _interval(effect: Effect) -> str:
    if effect.n == 1:
        return ""
    low, high = effect.number(effect.low), effect.number(effect.high)
    return "none" if math.isnan(effect.low) else f"[{low}, {high}]"


def _s(number: int, singular: str, plural: str) -> str:
    return singular if number == 1 else plural


def _count(number: int, noun: str) -> str:
    return f"{number} {_s(number, noun, noun + 's')}"

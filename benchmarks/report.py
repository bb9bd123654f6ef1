"""What was measured, as a table to read, as Markdown for the README, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.rows import Row
from benchmarks.timing import Comparison, Measured

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
NOT_MEASURED = "not measured"
DEVICES = {"cpu": "CPU", "cuda": "GPU"}
HEAD = ("work", "against", "ours", "theirs", "ratio", "spread", "target", "met")
COLUMNS = ("work", "against", "ours", "theirs", "ratio on the CPU", "target", "ratio on a GPU")


@dataclass(frozen=True)
class Line:
    """One line of the table, times in seconds per unit.

    Attributes:
        name: the row's.
        work: the row's.
        against: the row's.
        unit: what the times are given for.
        ours: median.
        theirs: median.
        ratio: median of the paired ratios: how many times faster, or how many times as long.
        low: smallest of them.
        high: largest of them.
        target: in words.
        goal: as a number, in the ratio's sense; None without a target.
        longer: whether the ratio says how many times as long.
        met: whether the median ratio meets the target; None without a target.
        difference: largest difference of the results, or of that share of their numbers.
        tolerance: at which they count as equal.
        share: of the numbers.
        most: the largest difference of any of them; None where the tolerance is for all.
        note: what a reader must know.
        device: where the work was done.
        ours_all: every repeat's time.
        theirs_all: every repeat's time.
    """

    name: str
    work: str
    against: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    target: str
    goal: float | None
    longer: bool
    met: bool | None
    difference: float
    tolerance: float
    share: float
    most: float | None
    note: str
    device: str
    ours_all: list[float]
    theirs_all: list[float]


@dataclass(frozen=True)
class Table:
    """What one run of the benchmarks measured.

    Attributes:
        conditions: the machine, the versions, the data, in words.
        lines: one a row that succeeded.
        failed: why, by name, of those that did not.
    """

    conditions: str
    lines: list[Line]
    failed: dict[str, str] = field(default_factory=dict)


def line(row: Row, c: Comparison, m: Measured, device: str) -> Line:
    ratios = row.ratios(m)
    ratio = m.middle(ratios)
    longer = row.at_most is not None
    return Line(
        name=row.name,
        work=row.work,
        against=row.against,
        unit=c.unit,
        ours=m.middle(m.ours),
        theirs=m.middle(m.theirs),
        ratio=ratio,
        low=min(ratios),
        high=max(ratios),
        target=row.target,
        goal=row.at_most if longer else row.at_least,
        longer=longer,
        met=row.met(ratio),
        difference=m.difference,
        tolerance=c.tolerance,
        share=c.share,
        most=c.most if c.share < 1 else None,
        note=c.note,
        device=device,
        ours_all=m.ours,
        theirs_all=m.theirs,
    )


def seconds(value: float) -> str:
    """Return a time in the unit that suits it.

    >>> seconds(0.0000123), seconds(0.0456), seconds(7.89), seconds(300)
    ('12.3 µs', '45.6 ms', '7.89 s', '300 s')
    """
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{_three(value * factor)} {unit}"
    return f"{_three(value * 1e6)} µs"


def _three(value: float) -> str:
    """Return a number with three significant digits and without an exponent."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def _cells(found: Line) -> tuple[str, ...]:
    article = "an" if found.unit[0] in "aeiou" else "a"
    each = "" if found.unit in ("run", "process") else f" {article} {found.unit}"
    return (
        found.work,
        found.against,
        seconds(found.ours) + each,
        seconds(found.theirs) + each,
        f"{_three(found.ratio)}×",
        f"{_three(found.low)} to {_three(found.high)}",
        found.target,
        {None: "", True: "yes", False: "NO"}[found.met],
    )


def text(lines: Sequence[Line], conditions: str) -> str:
    """Return the table for a terminal, with a remark on every row."""
    table = [HEAD, *map(_cells, lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    made = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    ]
    notes = [f"{n.name}: {n.note} {_equality(n)}".strip() for n in lines]
    return "\n".join([conditions, "", *made, "", *notes])


def _equality(found: Line) -> str:
    if found.name in ("import", "lessons"):  # exit codes, of which there is nothing to say
        return ""
    if found.most is None:
        return f"Results differ by at most {found.difference:.1g} (allowed: {found.tolerance:g})."
    return (
        f"Of the weights {found.share:.0%} differ by at most {found.difference:.1g} (allowed: "
        f"{found.tolerance:.1g}, from what rounding does to the rival's), and none by more than "
        f"the {found.most:.1g} that Adam can move two apart."
    )


def markdown(tables: Mapping[str, Table]) -> str:
    """Return one table of what was measured on the CPU, on a GPU, or on both.

    Args:
        tables: by device, ``"cpu"`` and ``"cuda"``; times are those of the first one that has the
            row, ratios stand in the column of their device.
    """
    rows = {found.name: found for table in reversed(tables.values()) for found in table.lines}
    made = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    order = [found.name for table in tables.values() for found in table.lines]
    for name in dict.fromkeys(order):
        work, against, ours, theirs, _, _, target, _ = _cells(rows[name])
        here, there = (_ratio(name, tables.get(device)) for device in ("cpu", "cuda"))
        made.append(f"| {' | '.join((work, against, ours, theirs, here, target, there))} |")
    said = (f"*{DEVICES[device]}: {table.conditions}*" for device, table in tables.items())
    return "\n".join([*made, "", "\n\n".join(said)])


def _ratio(name: str, table: Table | None) -> str:
    if table is None:
        return NOT_MEASURED
    if name in table.failed:
        return "failed"
    found = next((found for found in table.lines if found.name == name), None)
    if found is None:
        return NOT_MEASURED
    *_, ratio, spread, _, met = _cells(found)
    return f"**{ratio}** ({spread})" + (", short of the target" if met == "NO" else "")


def as_json(table: Table) -> str:
    return json.dumps(asdict(table), indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> Table:
    """Return the table that `as_json` wrote."""
    found = json.loads(text)
    return Table(found["conditions"], [Line(**row) for row in found["lines"]], found["failed"])


def put_between(page: str, table: str) -> str:
    """Return a page with the table between its two marks.

    Raises:
        ValueError: if the page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} with {END} after it; put both back.")
    return f"{before}{begin}\n{table}\n{end}{after}"

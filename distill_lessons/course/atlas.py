"""What every claim measured elsewhere: on other data, at other sizes, with other seeds.

Reads the atlas that `distill-lessons atlas` writes, for the lessons and for a claim that does not
hold. A *world* is a data set in a profile with a seed; a *run* is one lesson in one world. Knows
nothing about how they are run.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from distill_lessons import page
from distill_lessons.sources.catalogue import SOURCES

FILE = Path(__file__).with_name("atlas.json")

MARKS = {"holds": "✓", "fails": "✗", "open": "?"}
WORDS = {"holds": "holds", "fails": "fails", "open": "too wide to say"}
LEGEND = (
    "✓ holds, ✗ fails, ? the interval is too wide to say, – not measured. The numbers are in the "
    "order of the seeds; if there is one seed only, its 95 % interval stands in brackets."
)


@dataclass(frozen=True)
class World:
    """Where a lesson was run.

    Attributes:
        dataset: as in the settings; of a folder only its last part, ``"folder:leaves"``.
        profile: ``"cpu"`` or ``"full"``.
        seed: as in the settings.
    """

    dataset: str
    profile: str
    seed: int

    @property
    def group(self) -> str:
        """The world in words, but for its seed."""
        name = self.dataset.replace("folder:", "folder of ")
        return name + (", full" if self.profile == "full" else "")

    def __str__(self) -> str:
        """Return for example ``digits, seed 3``."""
        return f"{self.group}, seed {self.seed}"


@dataclass(frozen=True)
class Measured:
    """One claim in one world, its numbers in words.

    Attributes:
        statement: what is claimed.
        effect: the estimate with its unit.
        interval: the 95 % interval, or ``""`` where the number is exact.
        repeats: what the effect rests on, such as ``10 seeds``, or ``""`` for one number.
        needed: the bound in words.
        verdict: ``"holds"``, ``"fails"``, or ``"open"`` where the interval is too wide to say.
    """

    statement: str
    effect: str
    interval: str
    repeats: str
    needed: str
    verdict: str

    def __str__(self) -> str:
        """Return for example ``✓ +9.4 points [+8.1, +10.7]``."""
        return f"{MARKS[self.verdict]} {self.effect} {self.interval}".rstrip()


@dataclass(frozen=True)
class Run:
    """One lesson in one world.

    Attributes:
        lesson: its number, or the name of its file where that has none.
        world: where it ran.
        code: tells one state of the lesson's code from another.
        device: as in the settings.
        versions: of Python and of the packages that count.
        date: year, month, day.
        failure: why it did not run to its end, or ``""``.
        claims: what it measured.
    """

    lesson: str
    world: World
    code: str
    device: str
    versions: str
    date: str
    failure: str
    claims: tuple[Measured, ...]


def read(path: Path = FILE) -> list[Run]:
    """Return the runs that an atlas holds; none if there is no such file.

    Raises:
        ValueError: if the file is not an atlas.
    """
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        return [
            Run(
                **run
                | {
                    "world": World(**run["world"]),
                    "claims": tuple(Measured(**claim) for claim in run["claims"]),
                }
            )
            for run in runs
        ]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is not an atlas of claims ({error}); delete it to measure anew."
        ) from error


def text_of(runs: Iterable[Run]) -> str:
    """Return the content of an atlas's file: a line for each claim, the lessons in order."""
    ordered = sorted(runs, key=lambda run: (run.lesson, *asdict(run.world).values()))
    parts = []
    for run in ordered:
        head = {key: value for key, value in asdict(run).items() if key != "claims"}
        lines = [json.dumps(asdict(claim), ensure_ascii=False) for claim in run.claims]
        claims = ",\n".join(f"  {line}" for line in lines)
        parts.append(f'{json.dumps(head, ensure_ascii=False)[:-1]}, "claims": [\n{claims}\n ]}}')
    return '{"runs": [\n ' + ",\n ".join(parts) + "\n]}\n"


def statements(runs: Sequence[Run]) -> list[str]:
    """Return the claims of one lesson in its order, as its latest run made them."""
    whole = [run for run in runs if not run.failure] or list(runs)
    latest = max((run.date for run in whole), default="")
    newest = [run for run in whole if run.date == latest]
    return list(dict.fromkeys(c.statement for run in newest[:1] for c in run.claims))


def found(runs: Iterable[Run], statement: str) -> dict[World, Measured]:
    """Return what a claim measured, by world."""
    return {
        run.world: claim for run in runs for claim in run.claims if claim.statement == statement
    }


def summary(measured: Sequence[Measured]) -> str:
    """Return what several seeds of one kind of world say of a claim, in a few words.

    >>> won = Measured("A wins.", "+2.0 points", "[+1.0, +3.0]", "5 seeds", "", "holds")
    >>> summary([won])
    '✓ +2.0 points [+1.0, +3.0]'
    >>> summary([won, Measured("A wins.", "+4.0 points", "", "5 seeds", "", "holds")])
    '✓ 2 of 2 seeds: +2.0 points, +4.0 points'
    >>> summary([won, won])
    '✓ 2 of 2 seeds: +2.0 points each'
    """
    if not measured:
        return "–"
    if len(measured) == 1:
        return str(measured[0])
    held = sum(claim.verdict == "holds" for claim in measured)
    worst = next(v for v in ("fails", "open", "holds") if v in {c.verdict for c in measured})
    effects = [claim.effect for claim in measured]
    said = f"{effects[0]} each" if len(set(effects)) == 1 else ", ".join(effects)
    return f"{MARKS[worst]} {held} of {len(measured)} seeds: {said}"


def elsewhere(lesson: str) -> None:
    """Show what the atlas says of a lesson's claims: a row for each, a column for each world.

    Args:
        lesson: its number, such as ``"04"``.
    """
    runs = [run for run in _kept() if run.lesson == lesson]
    groups = list(dict.fromkeys(run.world.group for run in runs))
    rows = [
        (statement, [summary([c for w, c in seen.items() if w.group == group]) for group in groups])
        for statement in statements(runs)
        for seen in [found(runs, statement)]
    ]
    if not rows:
        page.show("<p>The atlas has no run of this lesson yet.</p>", "No run of this lesson yet.")
        return
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("claim", *groups))
    body = "".join(
        f'<tr><td style="text-align:left">{page.prose(statement)}</td>'
        + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for statement, cells in rows
    )
    table = (
        f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        f"</table></div><small>{LEGEND}</small>"
    )
    lines = [
        line
        for statement, cells in rows
        for line in (statement, *(f"  {g}: {c}" for g, c in zip(groups, cells, strict=True)))
    ]
    page.show(table, "\n".join([*lines, LEGEND]))


def seen_on_like_data(statement: str, dataset: str, profile: str) -> str:
    """Return a sentence on what the atlas saw of a claim on data of this kind, or ``""``.

    Args:
        statement: the claim.
        dataset: as in the settings.
        profile: as in the settings.
    """
    measured = found(_kept(), statement)
    if not measured:
        return ""
    alike = [
        [w for w in measured if w.dataset == dataset and w.profile == profile],
        [w for w in measured if w.dataset == dataset],
        [w for w in measured if _kind(w.dataset) == _kind(dataset)],
    ]
    worlds = next(filter(None, alike), None)
    if worlds is None:
        worlds = list(measured)
        start = "The atlas has not seen this on data of this kind. Elsewhere: "
    else:
        start = "The atlas has seen on data of this kind: "
    groups = {w.group: [measured[v] for v in worlds if v.group == w.group] for w in worlds}
    return start + "; ".join(f"{group} {summary(claims)}" for group, claims in groups.items()) + "."


def _kind(dataset: str) -> object:
    source = SOURCES.get(dataset)
    return "folder" if source is None else source.shape


@cache
def _kept() -> list[Run]:
    return read()

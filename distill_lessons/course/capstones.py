"""The commands for capstones: check-report for one card, leaderboard for a class.

Both print what `capstone` finds and turn it into an exit code: 0 all is well, 1 a number, a claim
or a seal is not in order, 2 the command cannot be carried out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill_lessons import files
from distill_lessons.course.terminal import refusals, shown

if TYPE_CHECKING:
    from distill_lessons.capstone.contract import Contract
    from distill_lessons.claims import Effect
    from distill_lessons.course.results import Number


def check_report(
    card: Annotated[
        Path, typer.Argument(help="The model card, beside its claims.json and records.json.")
    ],
    fill: Annotated[
        bool, typer.Option("--fill", help="Write what is recorded into empty brackets first.")
    ] = False,
    seal: Annotated[
        str | None,
        typer.Option(help="The seal that was handed in when the claims were registered."),
    ] = None,
    fresh: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RESULTS",
            help="A results.json that `run` wrote with other seeds: say whether the claims hold "
            "there too. Can be given several times.",
        ),
    ] = None,
) -> None:
    """Check that each number in a model card comes from a recorded run, and each claim is told.

    For example: distill-lessons check-report my_capstone/card.md
    """
    with refusals():
        from distill_lessons.capstone import card as cards
        from distill_lessons.capstone import contract, standing

        if fill:
            files.write(card, cards.fill(card.read_text(encoding="utf-8"), card.parent))
        registered = contract.read(card.parent)
        found = [str(problem) for problem in cards.problems(card)]
        table, again = standing.verdicts(card.parent), _again(registered, fresh or [])
        if seal is not None and seal.strip() != registered.seal:
            found.insert(
                0,
                f"{contract.FILE} has the seal {registered.seal}, and {seal.strip()} was handed "
                "in: these are other claims. Put back those that were registered.",
            )
        print(f"{shown(card)}: numbers from records: {cards.count(card)}, problems: {len(found)}.")
        for line in found:
            print(f"  {line}")
        survivors = int((table["verdict"] == "holds").sum())
        print(f"Registered claims that survive: {survivors} of {len(table)}.")
        for name, row in table.iterrows():
            print(f"  {row['verdict']}: {name}, {row['measured']}")
        for line in again:
            print(line)
    if found:
        raise typer.Exit(1)


def leaderboard(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Capstones, one folder each.")
    ],
) -> None:
    """Rank capstones by how many of their registered claims survive, not by accuracy.

    A capstone whose card does not pass check-report has no place; the first thing that is wrong
    with it is shown.
    """
    from distill_lessons.capstone import standing

    broken = False
    for place, one in standing.leaderboard(folders):
        if place is None:
            broken = True
            more = f" (and {len(one.trouble) - 1} more)" if len(one.trouble) > 1 else ""
            print(f"no place: {shown(one.folder)}: {one.trouble[0]}{more}")
            continue
        survive = f"claims that survive: {one.survivors} of {one.registered}."
        print(f"{place}. {shown(one.folder)}: {survive}")
        for made in one.claims:
            if not made.holds:
                print(f"     {made.verdict}: {made.statement}")
                print(f"       measured {made.effect}, needed {made.condition}")
    if broken:
        raise typer.Exit(1)


def _again(registered: Contract, paths: Sequence[Path]) -> list[str]:
    """Return a line for each claim: in how many fresh runs it holds.

    Raises:
        ValueError: if a file holds no results, or none of them makes a registered claim.
        OSError: if a file cannot be read.
    """
    if not paths:
        return []
    from distill_lessons.course import results

    numbers = [number for path in paths for one in results.read(path) for number in one.claims]
    lines = []
    for claim in registered.claims:
        found = [number for number in numbers if number.statement == claim.statement]
        if not found:
            raise ValueError(
                f"--fresh: no run claims {claim.name!r}. In the notebook, make the registered "
                "claims with ledger.claim_all(folder), and run it again."
            )
        holds = sum(claim.judged(_effect(number, claim.unit)).holds for number in found)
        lines.append(f"Fresh runs: {claim.name} holds in {holds} of {len(found)}.")
    return lines


def _effect(number: Number, unit: str) -> Effect:
    from distill_lessons.claims import Effect

    value, low, high = (
        math.nan if end is None else end for end in (number.value, number.low, number.high)
    )
    return Effect(value, low, high, number.n, unit=unit)

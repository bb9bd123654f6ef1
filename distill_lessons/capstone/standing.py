"""What became of the claims that were registered: one capstone, or a class of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from distill_lessons.capstone import card, contract, ledger
from distill_lessons.claims import Claim


@dataclass(frozen=True)
class Standing:
    """One capstone on the board.

    Attributes:
        folder: where it lies.
        claims: those that were registered and run, with what was measured.
        registered: how many were registered.
        trouble: what is wrong with its card; a capstone with any has no place.
    """

    folder: Path
    claims: tuple[Claim, ...]
    registered: int
    trouble: tuple[str, ...]

    @property
    def survivors(self) -> int:
        """How many of the claims hold."""
        return sum(one.holds for one in self.claims)


def verdicts(folder: str | Path) -> pd.DataFrame:
    """Return a row for each registered claim: what was measured, what was needed, the verdict.

    Raises:
        ValueError: if a file in the folder is not whole.
        OSError: if one cannot be read.
    """
    runs = ledger.newest(ledger.read(folder))
    rows = {}
    for one in contract.read(folder).claims:
        if one.name in runs:
            made = one.judged(runs[one.name].effect)
            rows[one.name] = (str(made.effect), made.condition, str(made.verdict))
        else:
            rows[one.name] = ("never run", "", "never run")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["measured", "needed", "verdict"])


def standing(folder: str | Path) -> Standing:
    """Return what became of one capstone; what is wrong with its files is its trouble.

    Args:
        folder: with `contract.FILE`, `ledger.FILE` and `card.FILE`.
    """
    folder = Path(folder)
    try:
        registered, runs = contract.read(folder), ledger.newest(ledger.read(folder))
        trouble = tuple(str(one) for one in card.problems(folder / card.FILE))
    except (ValueError, OSError) as error:
        return Standing(folder, (), 0, (str(error),))
    made = [one.judged(runs[one.name].effect) for one in registered.claims if one.name in runs]
    return Standing(folder, tuple(made), len(registered.claims), trouble)


def leaderboard(folders: Iterable[str | Path]) -> list[tuple[int | None, Standing]]:
    """Return capstones by the number of their claims that survive, each with its place.

    Equal numbers share a place. Those whose cards are not in order come last and have none.

    Args:
        folders: of the capstones.
    """
    found = sorted(map(standing, folders), key=lambda one: (bool(one.trouble), -one.survivors))
    ranked = [one for one in found if not one.trouble]
    return [
        (None if one.trouble else 1 + sum(x.survivors > one.survivors for x in ranked), one)
        for one in found
    ]

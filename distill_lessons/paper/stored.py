"""The paper's figures, and beside them those of the run that this package keeps.

`FILE` is what ``python -m distill_lessons.paper`` wrote on a machine with a GPU. Where it is not
there, or a step was not run, that is what a table says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distill_lessons.claims import mean_effect, share_effect
from distill_lessons.paper.rows import Row
from distill_lessons.paper.table import FREQUENCIES, TEST, VALIDATION
from distill_lessons.settings import whole_number

FILE = Path(__file__).with_name("table.json")
N_TEST = 10_000
NOT_RUN = "not run yet"

# Test errors of 10,000 as the paper has them; where it gives per cents, these.
PUBLISHED = {
    "teacher": 67,
    "plain": 146,
    "distilled": 74,
    "no 3s": 206,
    "no 3s" + TEST: 109,
    "only 7s and 8s": 4730,
    "only 7s and 8s" + TEST: 1320,
}
OURS_ALONE = tuple(
    name + way for name in ("no 3s", "only 7s and 8s") for way in (FREQUENCIES, VALIDATION)
)


@dataclass(frozen=True)
class Run:
    """A table that was run.

    Attributes:
        machine: system, versions, settings, hashes of package and data, date and command.
        images: how many in the pool, for choices, and in the test set.
        shorter: by how much every training was shortened, 1 for not at all.
        rows: what was found.
    """

    machine: dict[str, Any]
    images: tuple[int, ...]
    shorter: float
    rows: tuple[Row, ...]

    def named(self, what: str) -> list[Row]:
        """Return the rows of one experiment that were run to their end."""
        return [row for row in self.rows if row.what == what and row.state == "done"]


def read(path: Path = FILE) -> Run | None:
    """Return a table from its file, or None if there is no such file.

    Raises:
        ValueError: if it is not a table, or its numbers do not fit together.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {field.name for field in fields(Row)}
        rows = tuple(_row(one, names) for one in content["rows"])
        images = tuple(whole_number("images", n) for n in content["images"])
        return Run(dict(content["machine"]), images, float(content["shorter"]), rows)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} holds no table of the paper ({error}); write one with "
            "python -m distill_lessons.paper --out FILE."
        ) from error


def _row(one: dict[str, Any], names: set[str]) -> Row:
    if set(one) != names:
        raise ValueError(f"a row has {sorted(one)} in place of {sorted(names)}")
    row = Row(**{key: _tuples(value) for key, value in one.items()})
    for name in ("errors", "on_left_out", "validation", "shift", "wrong"):
        found = getattr(row, name)
        if (row.state != "done" and found) or (found and len(found) != len(row.seeds)):
            raise ValueError(f"{row.what} has {len(found)} {name} for {len(row.seeds)} seeds")
    if any(len(w) != n for w, n in zip(row.wrong, row.errors, strict=False)):
        raise ValueError(f"{row.what} lists other images than it counts")
    return row


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def beside(run: Run | None) -> pd.DataFrame:
    """Return the paper's errors and ours, each with its 95 % interval.

    The paper's is that of one count of 10,000 images (Wilson): how far it could be off had it been
    other images. Ours is that of a mean over seeds on these very images (Student's t).
    """
    shown = {}
    for what in (*PUBLISHED, *OURS_ALONE):
        row = next(iter(run.named(what)), None) if run else None
        paper = PUBLISHED.get(what)
        shown[what] = {
            "paper": "–" if paper is None else f"{paper}",
            "95 % of a count": "" if paper is None else _ends(count_interval(paper)),
            **_ours(None if row is None else row.errors),
        }
    order = sorted(shown, key=lambda what: (what.partition(",")[0], what))
    order = [*list(PUBLISHED)[:3], *(what for what in order if what not in list(PUBLISHED)[:3])]
    return pd.DataFrame([shown[what] for what in order], index=order)


def temperatures(run: Run | None, what: str, alpha: float = 0.0) -> pd.DataFrame:
    """Return our errors of narrow students, a row for each training and a column for each T.

    Args:
        run: the table.
        what: ``"30 units"`` or ``"300 units"``.
        alpha: weight of the hard term.
    """
    found = [row for row in (run.named(what) if run else []) if row.recipe["alpha"] == alpha]
    shown: dict[str, dict[str, str]] = {}
    for row in found:
        how = row.recipe
        name = f"{how['optimizer']} {how['lr']:g}, {how['epochs']} epochs"
        shown.setdefault(name, {})[f"T = {how['T']:g}"] = " ".join(_ours(row.errors).values())
    if not shown:
        return pd.DataFrame([NOT_RUN], index=[what], columns=["errors"])
    return pd.DataFrame(shown).T


def count_interval(errors: int, n: int = N_TEST) -> tuple[float, float]:
    """Return the 95 % interval of a count of errors on n images (Wilson), as counts.

    Raises:
        ValueError: if there are more errors than images.

    >>> [round(end) for end in count_interval(67)]
    [53, 85]
    """
    n, errors = whole_number("n", n), whole_number("errors", errors, least=0)
    if errors > n:
        raise ValueError(f"errors={errors} of n={n} images: there cannot be more.")
    effect = share_effect(np.arange(n) < errors)
    return n * effect.low, n * effect.high


def _ours(errors: Sequence[int] | None) -> dict[str, str]:
    if not errors:
        return {"ours": NOT_RUN, "95 % over seeds": ""}
    effect = mean_effect(errors) if len(errors) > 1 else None
    ends = "" if effect is None or np.isnan(effect.low) else _ends((effect.low, effect.high))
    return {"ours": f"{np.mean(errors):.0f}", "95 % over seeds": ends}


def _ends(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.0f}, {interval[1]:.0f}]"

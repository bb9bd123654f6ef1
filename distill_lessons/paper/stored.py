"""The paper's figures, and beside them those of the runs that this package keeps.

`FILES` are what ``python -m distill_lessons.paper`` wrote: first on a machine with a GPU, then, of
what had diverged there, on a CPU. What neither has is said in a table's cell.
"""

from __future__ import annotations

import datetime
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

FILES = tuple(Path(__file__).with_name(name) for name in ("table.json", "table_on_a_cpu.json"))
N_TEST = 10_000
NOT_RUN = "not run yet"
DEAD = 8865  # errors of a net that takes all test images for a 1, the most frequent class

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

    @property
    def where(self) -> str:
        """On what it was run, and in what it was less than a whole run."""
        chip = str(self.machine.get("machine", "")).rpartition(", ")[2]
        chip = chip if str(self.machine.get("device")).startswith("cuda") else "CPU"
        return chip + (f", epochs / {self.shorter:g}" if self.shorter > 1 else "")

    @property
    def about(self) -> str:
        """When and with what it was run, in words."""
        kept = self.machine
        when = datetime.date.fromisoformat(kept["date"])
        return (
            f"{when.day} {when:%B %Y}: {kept['machine']}; {kept['versions']}; "
            f"data {kept['data']}, package {kept['package']}"
        )

    def named(self, what: str) -> list[Row]:
        """Return the rows of one experiment that were run to their end."""
        return [row for row in self.rows if row.what == what and row.state == "done"]


def runs() -> list[Run]:
    """Return the runs that this package keeps."""
    return [run for path in FILES if (run := read(path)) is not None]


def read(path: Path) -> Run | None:
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


def beside(found: Sequence[Run]) -> pd.DataFrame:
    """Return the paper's errors and ours, each with its 95 % interval.

    The paper's is that of one count of 10,000 images (Wilson): how far it could be off had it been
    other images. Ours is that of a mean over seeds on these very images (Student's t).

    Args:
        found: runs; of an experiment that several have, the first one counts.
    """
    others = [what for what in PUBLISHED if what not in ("teacher", "plain", "distilled")]
    order = ["teacher", "plain", "distilled", "distilled, twice as long"]
    order += sorted([*others, *OURS_ALONE], key=lambda what: (what.partition(",")[0], what))
    shown = []
    for what in order:
        paper = PUBLISHED.get(what)
        run = next((run for run in found if run.named(what)), None)
        ours = _ours(run.named(what)[0].errors if run else None)
        places = [] if run is None else [run.where]
        for one in found:
            if any(row.what.partition(",")[0] == what.partition(",")[0] and row.state == "diverged"
                   for row in one.rows):  # fmt: skip
                places.append(f"diverged on {one.where}")
                ours["ours"] = "diverged" if run is None else ours["ours"]
        shown.append(
            {
                "paper": "–" if paper is None else f"{paper}",
                "95 % of a count": "" if paper is None else _ends(count_interval(paper)),
                **ours,
                "nets": "" if run is None else f"{len(run.named(what)[0].seeds)}",
                "run on": "; ".join(places),
            }
        )
    return pd.DataFrame(shown, index=order)


def temperatures(found: Sequence[Run], what: str, alpha: float = 0.0) -> pd.DataFrame:
    """Return our errors of narrow students, a row for each training and a column for each T.

    Args:
        found: the runs.
        what: ``"30 units"`` or ``"300 units"``.
        alpha: weight of the hard term.
    """
    shown: dict[str, dict[str, str]] = {}
    for run in found:
        for row in (one for one in run.rows if one.what == what and one.recipe):
            how = row.recipe
            if how["alpha"] != alpha:
                continue
            name = f"{how['optimizer']} {how['lr']:g}, {how['epochs']} epochs, {run.where}"
            ours = " ".join(_ours(row.errors).values()) if row.errors else row.state
            shown.setdefault(name, {})[f"T = {how['T']:g}"] = ours
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
    if dead := sum(one >= DEAD for one in errors):
        return {"ours": f"{dead} of {len(errors)} dead", "95 % over seeds": ""}
    effect = mean_effect(errors) if len(errors) > 1 else None
    ends = "" if effect is None or np.isnan(effect.low) else _ends((effect.low, effect.high))
    return {"ours": f"{np.mean(errors):.0f}", "95 % over seeds": ends}


def _ends(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.0f}, {interval[1]:.0f}]"

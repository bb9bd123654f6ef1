"""What a capstone ran: each measurement with its repeats, its time and the claims it was run under.

Records are added and never replaced, and each is sealed together with the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from distill_lessons import __version__, files
from distill_lessons.capstone import contract
from distill_lessons.claims import UNITS, Effect, claim, finding, mean_effect
from distill_lessons.settings import one_of

FILE = "records.json"


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes:
        name: by which a card cites it.
        time: when it was recorded, UTC.
        registered: the seal of the claims that were registered by then, ``""`` if none were.
        values: one number for each repeat; a single one is exact.
        unit: see `claims.Effect`.
        per: what the numbers are repeats of, in the plural.
        versions: of the packages that made them.
        seal: a hash of all that and of the record before.
    """

    name: str
    time: str
    registered: str
    values: tuple[float, ...]
    unit: str
    per: str
    versions: str
    seal: str

    @property
    def effect(self) -> Effect:
        """The mean with its interval, or the number itself."""
        if len(self.values) == 1:
            return Effect(*3 * self.values, unit=self.unit, per=self.per)
        return mean_effect(self.values, unit=self.unit, per=self.per)

    def seal_after(self, before: str) -> str:
        """Return the seal that it has after a record of that seal."""
        content = asdict(self) | {"values": list(self.values), "before": before}
        return contract.seal_of({k: v for k, v in content.items() if k != "seal"})


def record(
    folder: str | Path,
    name: str,
    values: float | Sequence[float] | np.ndarray,
    *,
    unit: str = "",
    per: str = "repeats",
) -> Effect:
    """Keep a measurement.

    A name counts once for each registration: what was looked at again and came out otherwise needs
    a name of its own, so that a card can tell of both. The same numbers again change nothing.

    Args:
        folder: the capstone's.
        name: by which a card cites it. Those of registered claims are their measurements.
        values: one number for each repeat, or a single exact one.
        unit: see `claims.Effect`; that of a registered claim has to be the registered one.
        per: what the numbers are repeats of, in the plural.

    Returns:
        What was measured.

    Raises:
        ValueError: if a value is not finite, the name is taken, or a registered claim has another
            unit or a single repeat.
        OSError: if the file cannot be written.
    """
    folder = Path(folder)
    contract.check_name(name)
    one_of("unit", unit, UNITS)
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"{name!r} has values={values!r}; give finite numbers, one per repeat.")
    known = contract.read(folder) if (folder / contract.FILE).exists() else None
    promised = known.by_name.get(name) if known else None
    if promised and (promised.unit != unit or len(numbers) < 2):
        raise ValueError(
            f"{name!r} is registered with unit={promised.unit!r} and needs an interval; got "
            f"unit={unit!r} and {len(numbers)} values."
        )
    earlier = read(folder)
    seal = known.seal if known else ""
    run = Run(name, contract.now(), seal, tuple(map(float, numbers)), unit, per, _versions(), "")
    for one in earlier:
        if (one.name, one.registered) == (name, seal):
            if (one.values, one.unit, one.per) == (run.values, unit, per):
                return one.effect
            raise ValueError(
                f"{name!r} is recorded already, as {one.effect}, and now as {run.effect}. Both "
                "stay: record this one under another name, and say in the card why there are two."
            )
    run = Run(**vars(run) | {"seal": run.seal_after(earlier[-1].seal if earlier else "")})
    folder.mkdir(parents=True, exist_ok=True)
    content = {"records": [asdict(one) for one in (*earlier, run)]}
    files.write(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return run.effect


def read(folder: str | Path) -> list[Run]:
    """Return what was recorded in a folder, oldest first; nothing if nothing was.

    Raises:
        ValueError: if the file is not one that `record` wrote.
        OSError: if it cannot be read.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["records"]
        rows = [one | {"values": tuple(map(float, one["values"]))} for one in content]
        return [_checked(Run(**row)) for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} holds no records ({error}); restore the file that record() wrote."
        ) from error


def changed(runs: Sequence[Run]) -> list[Run]:
    """Return the records that are not as they were written, or do not follow what they followed."""
    seals = ["", *(run.seal for run in runs)]
    pairs = zip(runs, seals, strict=False)
    return [run for run, before in pairs if run.seal != run.seal_after(before)]


def newest(runs: Sequence[Run]) -> dict[str, Run]:
    """Return the records by name; of a name that was recorded again under new claims, the last."""
    return {run.name: run for run in runs}


def claim_all(folder: str | Path) -> None:
    """Show every registered claim with its record, as `claims.claim` does.

    So a notebook that ``distill-lessons run`` repeats, with other seeds, tells of each of them.

    Raises:
        ValueError: if a claim has no record yet.
        ClaimFailed: as `claims.claim`.
    """
    runs = newest(read(folder))
    with finding():
        for one in contract.read(folder).claims:
            if one.name not in runs:
                raise ValueError(f"{one.name!r} is registered and was never run; record() it.")
            claim(one.statement, runs[one.name].effect, above=one.above, below=one.below)


def _checked(run: Run) -> Run:
    """Return a record whose effect can be computed, which its fields alone do not promise."""
    contract.check_name(run.name)
    str(run.effect)
    return run


def _versions() -> str:
    packages = [f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn")]
    return ", ".join([f"distill-lessons {__version__}", *packages])

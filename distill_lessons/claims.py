"""Effects with intervals, and claims that can fail.

A *claim* is a sentence of the prose together with the number that was measured for it and the bound
that the number must respect. Learning, it says "holds" or "does not hold here"; under test
(``DISTILL_STRICT=1``) one that does not hold raises. Knows nothing about models or training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from distill_lessons import page, settings

# Executed notebooks carry each claim as data under this type; `distill-lessons run` collects them.
MIME = "application/vnd.distill-lessons.claim+json"

# How a unit is shown: the factor by which the stored number is multiplied, and the word after it.
UNITS = {"": (1.0, ""), "points": (100.0, " points"), "%": (100.0, " %"), "s": (1.0, " s")}


class ClaimFailed(AssertionError):
    """A claim did not hold while ``DISTILL_STRICT=1``."""


@dataclass(frozen=True)
class Effect:
    """A measured number with its uncertainty.

    Attributes:
        value: the estimate, usually a mean of paired differences.
        low: lower end of the 95 % interval; equal to `value` where the number is exact, NaN where
            equal repeats leave no interval.
        high: upper end of the 95 % interval.
        n: how many independent repeats (seeds) it rests on.
        wins: in how many of them the difference was positive, where that was counted.
        unit: ``""``, ``"points"`` (percentage points, stored as a fraction), ``"%"`` or ``"s"``.
        per: what was repeated, in the plural: seeds, images, repeats.
    """

    value: float
    low: float
    high: float
    n: int = 1
    wins: int | None = None
    unit: str = ""
    per: str = "seeds"

    def __post_init__(self) -> None:
        """Refuse a unit that could not be shown.

        Raises:
            ValueError: if the unit is unknown.
        """
        settings.one_of("unit", self.unit, UNITS)

    def number(self, value: float) -> str:
        """Return `value` as it is shown in this effect's unit, without the unit's word."""
        factor = UNITS[self.unit][0]
        sign = "+" if self.unit == "points" else ""
        scaled = value * factor
        if factor == 100:
            return f"{round(scaled, 1) + 0.0:{sign}.1f}"  # + 0.0 turns -0.0 into 0.0
        return f"{scaled:{sign}.4g}"

    def __str__(self) -> str:
        """Return for example ``+9.4 points, 95 % interval [+8.1, +10.7], 16 seeds, 16 wins``."""
        text = self.number(self.value) + UNITS[self.unit][1]
        if self.n > 1 and np.isnan(self.low):
            text += f", no interval: all {self.n} {self.per} gave the same"
        elif self.n > 1:
            low, high = self.number(self.low), self.number(self.high)
            text += f", 95 % interval [{low}, {high}], {self.n} {self.per}"
        if self.wins is not None:
            text += f", {self.wins} win" + ("" if self.wins == 1 else "s")
        return text


def mean_effect(
    values: Sequence[float] | np.ndarray, *, unit: str = "", per: str = "seeds"
) -> Effect:
    """Return the mean of independent repeats with its 95 % interval (Student's t).

    Args:
        values: one number per repeat (seed), shape ``(n,)``, n >= 2. For a comparison give the
            *paired differences*: the same seed with and without the change.
        unit: see `Effect`.
        per: what the numbers are repeats of, in the plural.

    Returns:
        The effect. With the unit points, that of differences, `wins` counts the positive values.
        Equal values have no spread from which an interval could be estimated: its ends are NaN, and
        no claim holds by it. For a share that is 0 or 1 in every repeat see `share_effect`; a fact
        about these very repeats is a plain number.

    Raises:
        ValueError: with fewer than two values, or with NaN or infinite ones.

    >>> str(mean_effect([0.02, 0.03, 0.04], unit="points"))
    '+3.0 points, 95 % interval [+0.5, +5.5], 3 seeds, 3 wins'
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"values are not numbers ({error}); give one per seed.") from error
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(
            f"values has shape {array.shape}; an interval needs one number per seed, at least two."
        )
    if not np.isfinite(array).all():
        raise ValueError("values holds NaN or infinite numbers; find the run that produced them.")
    from scipy import stats  # slow to import, and a lesson without intervals never needs it

    half = stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    if np.ptp(array) <= 1e-12 * np.abs(array).max():  # equal but for rounding
        half = np.nan
    mean = float(array.mean())
    wins = int((array > 0).sum()) if unit == "points" else None
    return Effect(mean, mean - float(half), mean + float(half), len(array), wins, unit, per)


def share_effect(
    hits: Sequence[bool] | np.ndarray, *, unit: str = "%", per: str = "images"
) -> Effect:
    """Return the share of repeats in which something happened, with its 95 % interval (Wilson).

    Unlike Student's t this interval has a width even where it happened never, or always.

    Args:
        hits: whether it happened, one for each independent repeat, shape ``(n,)``, n >= 1.
        unit: see `Effect`.
        per: what the entries are repeats of, in the plural.

    Raises:
        ValueError: if there is no entry, or one is neither true nor false.

    Source: Wilson (1927), doi:10.1080/01621459.1927.10502953.

    >>> str(share_effect([False] * 300))
    '0.0 %, 95 % interval [0.0, 1.3], 300 images'
    """
    array = np.asarray(hits)
    if array.ndim != 1 or len(array) == 0 or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"hits has shape {array.shape} and type {array.dtype}; give one true or false for each "
            f"of the {per}."
        )
    from scipy import stats  # slow to import

    n, count = len(array), int(array.sum())
    ends = stats.binomtest(count, n).proportion_ci(method="wilson")
    return Effect(count / n, float(ends.low), float(ends.high), n, None, unit, per)


@dataclass(frozen=True)
class Claim:
    """One finding: what is said, what was measured, what would make it false."""

    statement: str
    effect: Effect
    above: float | None
    below: float | None

    @property
    def holds(self) -> bool:
        """True if the whole interval respects the bounds; NaN respects none."""
        over = self.above is None or self.effect.low > self.above
        under = self.below is None or self.effect.high < self.below
        measured = np.isfinite(self.effect.value)
        ends = np.array([self.effect.low, self.effect.high])
        return bool(over and under and measured and not np.isnan(ends).any())

    @property
    def condition(self) -> str:
        """The bound in words, in the effect's unit."""
        factor, word = UNITS[self.effect.unit]
        bounds = {"above": self.above, "below": self.below}
        parts = [
            f"{side} {bound * factor:g}{word.removesuffix('s') if bound * factor == 1 else word}"
            for side, bound in bounds.items()
            if bound is not None
        ]
        return " and ".join(parts)

    def __str__(self) -> str:
        """Return the statement, the measurement and the verdict, one line each."""
        return (
            f"Claim: {self.statement}\n"
            f"  measured: {self.effect}\n"
            f"  needed:   {self.condition}\n"
            f"  verdict:  {'holds' if self.holds else 'does not hold here'}"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # JSON has neither NaN nor NumPy's numbers: what could not be measured is stored as null.
        numbers = asdict(self.effect)
        for key in ("value", "low", "high"):
            number = float(numbers[key])
            numbers[key] = number if np.isfinite(number) else None
        for key in ("n", "wins"):
            numbers[key] = None if numbers[key] is None else int(numbers[key])
        data = {
            "statement": self.statement,
            **numbers,
            "shown": str(self.effect),
            "condition": self.condition,
            "holds": self.holds,
        }
        return {"text/plain": str(self), "text/html": self._html(), MIME: data}

    def _html(self) -> str:
        head = "✓ Claim holds." if self.holds else "✗ Claim does not hold here."
        body = (
            f"{page.prose(self.statement)}<br><small>Measured: {page.prose(str(self.effect))}. "
            f"Needed: {page.prose(self.condition)}.</small>"
        )
        return page.box("good" if self.holds else "bad", head, body)


def claim(
    statement: str,
    effect: Effect | float,
    *,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Show a claim with its measurement and say whether it holds.

    The *whole* interval must lie above `above` and below `below`: an effect that might be nothing
    does not count as an effect. Bounds on both sides claim that an effect is small.

    Args:
        statement: one sentence, readable on its own.
        effect: what was measured; a plain number counts as exact.
        above: bound that the interval must stay above, in the stored unit (a fraction for points).
        below: bound that the interval must stay below.

    Raises:
        ValueError: if neither bound is given: such a claim could not fail.
        ClaimFailed: if the claim does not hold and ``DISTILL_STRICT=1`` (after showing it).
    """
    if above is None and below is None:
        raise ValueError(
            f"claim({statement!r}) needs above= or below=: it could not fail otherwise."
        )
    for side, bound in (("above", above), ("below", below)):
        if bound is not None and not np.isfinite(bound):
            raise ValueError(f"{side}={bound} is not a bound; give a finite number.")
    if not isinstance(effect, Effect):
        effect = Effect(float(effect), float(effect), float(effect))
    finding = Claim(statement, effect, above, below)
    _display(finding)
    if settings.load().strict and not finding.holds:
        raise ClaimFailed(str(finding))


def _display(finding: Claim) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = None
    if get_ipython is None or get_ipython() is None:
        page.say(finding)  # a plain script
    else:
        display(finding)

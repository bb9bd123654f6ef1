"""Measured numbers with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill_lessons import settings

# How a unit is shown: the factor by which the stored number is multiplied, and the word after it.
UNITS = {"": (1.0, ""), "points": (100.0, " points"), "%": (100.0, " %"), "s": (1.0, " s")}


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
        return rounded(scaled, 1, sign, self._clear) if factor == 100 else f"{scaled:{sign}.4g}"

    @property
    def _clear(self) -> bool:
        return self.n > 1 and (self.low > 0 or self.high < 0)

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


def rounded(value: float, digits: int, sign: str = "+", clear: bool = False) -> str:
    """Return a number with so many decimals.

    Args:
        value: the number.
        digits: how many decimals.
        sign: "+" to write the sign of a positive number too, "" not to.
        clear: whether it belongs to an interval clear of zero: then none of its ends may read as 0.

    >>> rounded(-1.23, 1), rounded(-0.04, 1), rounded(-0.04, 1, clear=True)
    ('-1.2', '+0.0', '-0.04')
    """
    text = f"{value:{sign}.{digits}f}"
    if float(text) != 0:
        return text
    return f"{value:{sign}.1g}" if clear and value else f"{0.0:{sign}.{digits}f}"


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

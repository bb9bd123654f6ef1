"""Claims: to make one, to gather some into one finding, to fail where one does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from distill_lessons import page, settings
from distill_lessons.claims.effects import UNITS, Effect
from distill_lessons.claims.showing import SAID, Shown
from distill_lessons.course import atlas

Verdict = Literal["holds", "fails", "open"]


class ClaimFailed(AssertionError):
    """A claim did not hold while ``DISTILL_STRICT=1``."""


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
    def verdict(self) -> Verdict:
        """`holds`, `fails` if the whole interval breaks a bound, else `open`: too wide to say."""
        low, high = self.effect.low, self.effect.high
        under = self.above is not None and high <= self.above
        over = self.below is not None and low >= self.below
        return "holds" if self.holds else "fails" if under or over else "open"

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

    @property
    def exact(self) -> bool:
        """Whether the number has no uncertainty: then it is a check and not a finding."""
        return self.effect.n == 1 and not self.effect.low < self.effect.high

    @property
    def elsewhere(self) -> str:
        """What the atlas saw of a claim that does not hold, on data of this kind; else ``""``."""
        if self.holds:
            return ""
        config = settings.load()
        return atlas.seen_on_like_data(self.statement, config.dataset, config.profile)

    def __str__(self) -> str:
        """Return the statement, the measurement and the verdict."""
        verdict = "holds"
        if not self.holds:
            verdict = f"{SAID[self.verdict]}. {self.elsewhere}".rstrip(". ")
        if self.exact:
            numbers = f"measured {self.effect}, needed {self.condition}"
            return f"Check: {self.statement} ({numbers}): {verdict}"
        return (
            f"{'Finding' if self.holds else 'Claim'}: {self.statement}\n"
            f"  measured: {self.effect}\n"
            f"  needed:   {self.condition}\n"
            f"  verdict:  {verdict}"
        )

    def stored(self) -> dict[str, Any]:
        """Return the claim as a notebook keeps it; what could not be measured is None."""
        numbers = asdict(self.effect)  # JSON has neither NaN nor NumPy's numbers
        for key in ("value", "low", "high"):
            number = float(numbers[key])
            numbers[key] = number if np.isfinite(number) else None
        for key in ("n", "wins"):
            numbers[key] = None if numbers[key] is None else int(numbers[key])
        return {
            "statement": self.statement,
            **numbers,
            "shown": str(self.effect),
            "condition": self.condition,
            "holds": self.holds,
            "verdict": self.verdict,
        }


_gathered: list[Claim] | None = None  # the claims inside of `finding`


@contextmanager
def finding() -> Iterator[None]:
    """Show the claims that are made inside as one finding, with a line each.

    >>> with finding():
    ...     claim("Two is more than one.", 2.0, above=1)
    ...     claim("Three is more than two.", 3.0, above=2)
    Check: Two is more than one. (measured 2, needed above 1): holds
    Check: Three is more than two. (measured 3, needed above 2): holds

    Raises:
        ValueError: inside of another one.
        ClaimFailed: as `claim` does, after showing all of them.
    """
    global _gathered
    if _gathered is not None:
        raise ValueError("finding() stands inside of another finding(); end that one first.")
    made = _gathered = []
    try:
        yield
    finally:
        _gathered = None
        if made:
            _display(made)
    _insist(made)


def claim(
    statement: str,
    effect: Effect | float,
    *,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Show a claim with its measurement and say whether it holds.

    With an interval it is a finding and drawn large, with a plain number a check in one grey line.
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
    made = Claim(statement, effect, above, below)
    if _gathered is not None:
        _gathered.append(made)
        return
    _display([made])
    _insist([made])


def _insist(made: Sequence[Claim]) -> None:
    broken = [one for one in made if not one.holds]
    if broken and settings.load().strict:
        raise ClaimFailed("\n".join(map(str, broken)))


def _display(made: Sequence[Claim]) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = None
    shown = Shown(tuple(made))
    if get_ipython is None or get_ipython() is None:
        page.say(shown)  # a plain script
    else:
        display(shown)

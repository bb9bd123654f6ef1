"""How a notebook, a page and a terminal show claims: findings large, checks in a grey line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distill_lessons import page
from distill_lessons.claims.effects import UNITS
from distill_lessons.course.atlas import MARKS

if TYPE_CHECKING:
    from distill_lessons.claims.statements import Claim, Verdict

SAID = {"fails": "does not hold here", "open": "cannot tell here"}
TONES: dict[str, page.Tone] = {"holds": "good", "fails": "bad", "open": "nearly"}
# Executed notebooks carry claims as data under this type, a list of `Claim.stored` for each output.
MIME = "application/vnd.distill-lessons.claim+json"


@dataclass(frozen=True)
class Shown:
    """Claims as a notebook shows them: checks as a grey line each, the others as one finding."""

    claims: tuple[Claim, ...]

    def __str__(self) -> str:
        """Return the claims one below the other."""
        return "\n".join(map(str, self.claims))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        data = [made.stored() for made in self.claims]
        return {"text/plain": str(self), "text/html": self._html(), MIME: data}

    def _html(self) -> str:
        found = [made for made in self.claims if not made.exact]
        parts = [_check(made) for made in self.claims if made.exact]
        if found:
            verdicts = [made.verdict for made in found]
            worst = max(verdicts, key=["holds", "open", "fails"].index)
            head = _head("Finding", worst)
            if worst != "holds" and len(found) > 1:
                counted = [
                    f"{verdicts.count(verdict)} of {len(found)} lines {words}"
                    for verdict, words in (("fails", "do not hold here"), ("open", SAID["open"]))
                    if verdict in verdicts
                ]
                head = f"{MARKS[worst]} Finding: {', '.join(counted)}."
            signs = ["" if len(found) == 1 else f"{MARKS[verdict]} " for verdict in verdicts]
            lines = [_line(made, sign) for made, sign in zip(found, signs, strict=True)]
            parts.insert(0, page.panel(TONES[worst], head, lines))
        return "".join(parts)


def _head(kind: str, verdict: Verdict) -> str:
    said = {"holds": "", "fails": f" {SAID['fails']}", "open": f": {SAID['open']}"}[verdict]
    return f"{MARKS[verdict]} {kind}{said}."


def _check(made: Claim) -> str:
    numbers = f"(measured {made.effect}, needed {made.condition})"
    if made.holds:
        return page.quiet(f"✓ Check: {page.prose(f'{made.statement} {numbers}')}")
    words = f"{made.statement} {numbers} {made.elsewhere}".rstrip()
    return page.box(TONES[made.verdict], _head("Check", made.verdict), page.prose(words))


def _line(made: Claim, sign: str) -> tuple[str, str, str]:
    """Return the sentence, a picture of the interval, and the numbers, as HTML."""
    factor, effect = UNITS[made.effect.unit][0], made.effect
    bounds = (
        None if made.above is None else made.above * factor,
        None if made.below is None else made.below * factor,
    )
    words = f"Measured: {effect}. Needed: {made.condition}."
    value, low, high = (factor * end for end in (effect.value, effect.low, effect.high))
    picture = page.interval_bar(value, low, high, bounds, tone=TONES[made.verdict], words=words)
    below = f"{words} {made.elsewhere}".rstrip()
    return sign + page.prose(made.statement), picture, page.prose(below)

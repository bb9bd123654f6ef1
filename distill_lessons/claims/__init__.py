"""Effects with intervals, and claims that can fail.

A *claim* is a sentence of the prose together with the number that was measured for it and the bound
that the number must respect. Learning, it says "holds", "does not hold here", or, where the bound
lies inside the interval, "cannot tell here"; under test (``DISTILL_STRICT=1``) all but the first
raise. A claim with an interval is shown as a *finding*, an exact one as a *check*. Knows nothing
about models or training.
"""

from distill_lessons.claims.effects import UNITS, Effect, mean_effect, rounded, share_effect
from distill_lessons.claims.showing import MIME, Shown
from distill_lessons.claims.statements import Claim, ClaimFailed, claim, finding

__all__ = [
    "MIME",
    "UNITS",
    "Claim",
    "ClaimFailed",
    "Effect",
    "Shown",
    "claim",
    "finding",
    "mean_effect",
    "rounded",
    "share_effect",
]

"""Read a result: a paper's defence."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a paper's defence",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "With eps = 1 every image may be changed into every other. How much can a net then still "
        "recognise, if the attack does its work?",
        "An attack is a search. The lower rows tell whether the search failed, or whether there "
        "was nothing to be found.",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# With eps = 1 an attacker may replace a 3 by an 8, so nothing can be left; and images made for
# *another* net do more harm than the attack on this one. Both say that the search fails on this
# net. So 91 % says nothing, and 54 % is no more than an upper limit. A loss whose slope does not
# vanish where a net is sure, such as the margin of the logits, lets the search work again.
withstands = "c2"

_HOLDS = (
    "91 % is what one attack left over. If it could not even win when everything was allowed, it "
    "says little about the net."
)
_NOTHING = (
    "The table does not say that the net is as weak as an undefended one. It says that this attack "
    "cannot tell."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"the defence holds, {n}", f"a{n}", _HOLDS) for n in "123"),
        *(Mistake(f"nothing is left, {n}", f"b{n}", _NOTHING) for n in "123"),
        Mistake(
            "more steps",
            "c1",
            "The conclusion is right. But a hundred steps found no more than ten did: where no "
            "slope is seen, more steps lead nowhere either.",
        ),
        Mistake(
            "more images",
            "c3",
            "The conclusion is right. But more images narrow the interval of a number that does "
            "not mean what it should.",
        ),
    )
)

"""It adds up to six digits."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="It adds up to six digits",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which of the three could be said of the values that we handed to the neighbouring region?",
        "How many numbers are to be found for one class, and how many equations were checked?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Attribution in the wrong places adds up just as well. In this lesson deep SHAP on probabilities
# passed
# the same check, with an error of about a half. A sum that fails would have been bad news; one that
# holds is no news.
it_adds_up = "b3"

judging = Judging(
    mistakes=(
        *(
            Mistake(
                f"they are the Shapley values, {n}",
                f"a{n}",
                "Hand each pixel's attribution to its neighbour: the sum is the same. Are these "
                "the "
                "Shapley values too?",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"they are wrong, {n}",
                f"c{n}",
                "A sum that holds does not prove the values wrong, either. It would have been bad "
                "news if it failed.",
            )
            for n in "123"
        ),
        Mistake(
            "because four axioms leave one division",
            "b1",
            "All four together do. Which of the four did the report check?",
        ),
        Mistake(
            "because probabilities add up to 1",
            "b2",
            "That is a sum over the classes. Additivity is a sum over the pixels, for one class.",
        ),
    )
)

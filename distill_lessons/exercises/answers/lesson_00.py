"""Solutions of the warm-up."""

from distill_lessons.exercises.exercise import Mistake


# A slice keeps the axis that an index takes away.
def batch_of_one(x):
    return x[:1]


# The sum was not divided by the number of seeds.
def mean_difference(a, b):
    return 100 * sum(p - q for p, q in zip(a, b)) / len(a)


# The interval reaches below zero: from these ten seeds one cannot tell whether the trick helps.
# It has not been shown to be useless either. More seeds would narrow the interval.
does_it_hold = "c"

MISTAKES = {
    "does_it_hold": (
        Mistake("helps", "a", "The mean is above 0, but is every number of the interval?"),
        Mistake("useless", "b", "Could the true gain not be +1.5 points, after these ten seeds?"),
    ),
}

"""Solutions of lesson 06."""

from torch import nn

from distill_lessons.exercises.exercise import Mistake

# Bo completes the pair in the order A, B, C alone, Cy in A, C, B alone; in the other four orders
# it is Ann: 4/6. Bo and Cy are symmetric and get 1/6 each.
ann_gets = 2 / 3


# Of all n! orders, |S|! (n − |S| − 1)! have exactly the players of S before r.
# The smallest and the largest coalitions weigh most, 1/n each, and there is one of each. A middling
# one weighs little, but there are many: every *size* weighs 1/n in total.
def shapley_share(value, n, r):
    from itertools import combinations
    from math import factorial

    others = [player for player in range(n) if player != r]
    share = 0.0
    for size in range(n):
        weight = factorial(size) * factorial(n - size - 1) / factorial(n)
        for S in combinations(others, size):
            share += weight * (value((*S, r)) - value(S))
    return share


# The model is asked about each mixture, and its answers are averaged: the answer to a mean image is
# another thing. Centring is within one image, over the classes.
def coalition_value(model, image, background, present):
    mixed = background.flatten(1).clone()
    mixed[:, present] = image.flatten()[present]
    z = model(mixed.view_as(background))
    return (z - z.mean(1, keepdim=True)).mean(0)


# One ReLU module stood in every place, and of a module that is used twice deep SHAP remembers only
# one use. The logits are the same either way, so no test of the predictions shows the bug.
def build_net(linears):
    net = nn.Sequential(nn.Flatten())
    for linear in linears[:-1]:
        net.extend([linear, nn.ReLU()])
    return net.append(linears[-1])


# Compared with this 3, the empty pixel is news: where the 3 has ink the 7 has none, and that speaks
# for the 7. It is a fair answer to "why a 7 and not this 3?", and no answer to "why a 7?". For that
# take a hundred images of all classes as the background.
traces_of_a_three = "c1"

# Credit in the wrong places adds up just as well. In this lesson deep SHAP on probabilities passed
# the same check, with an error of about a half. A sum that fails would have been bad news; one that
# holds is no news.
it_adds_up = "b3"

MISTAKES = {
    "ann_gets": (
        Mistake(
            "a right glove",
            1 / 6,
            "That is what a right glove gets: it completes the pair in one of the six orders. In "
            "how many does the left one?",
        ),
        Mistake("alone", 0.0, "That is what Ann brings when nobody is there yet."),
        Mistake("last", 1.0, "That is what Ann brings as the last one. She may come earlier."),
        Mistake("equal shares", 1 / 3, "Are the three equal contributors? Only two of them are."),
        Mistake(
            "half a pair",
            0.5,
            "Half of a pair: but there are two right gloves, and one of them is of no use.",
        ),
    ),
    "traces_of_a_three": (
        *(
            Mistake(
                f"the net sees a 3, {n}",
                f"a{n}",
                "There is no ink at these pixels, so the net has not seen the strokes of a 3 "
                "there. And red is credit *for* the 7.",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"the map is wrong, {n}",
                f"b{n}",
                "Nothing here shows an error: red at an empty pixel may be right. What would be "
                "there if it were not empty?",
            )
            for n in "123"
        ),
        Mistake(
            "because additivity was not checked",
            "c2",
            "Additivity says nothing about where the credit goes. What was the 7 compared with?",
        ),
        Mistake(
            "because empty pixels have no credit",
            "c3",
            "That holds against a *zero* image. What was the 7 compared with here?",
        ),
    ),
    "it_adds_up": (
        *(
            Mistake(
                f"they are the Shapley values, {n}",
                f"a{n}",
                "Hand each pixel's credit to its neighbour: the sum is the same. Are these the "
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
    ),
}

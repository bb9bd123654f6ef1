"""Solutions of lesson 05."""

import torch
from torch import nn

from distill_lessons.exercises.exercise import Mistake


# The clone keeps x as it was. First the other images, then their columns: so all features of the
# group come from the same other image.
def shuffle_group(x, group, order):
    mixed = x.flatten(1).clone()
    mixed[:, group] = x.flatten(1)[order][:, group]
    return mixed.view_as(x)


# Every feature starts from fresh images, and the labels stay where they are.
def loss_rises(model, x, y, order):
    before = nn.functional.cross_entropy(model(x), y)
    rises = []
    for j in range(x[0].numel()):
        mixed = x.flatten(1).clone()
        mixed[:, j] = mixed[order, j]
        after = nn.functional.cross_entropy(model(mixed.view_as(x)), y)
        rises.append(after - before)
    return torch.stack(rises)


# An order was drawn for every column, so a row was put together from the pixels of many images:
# not only its tie to the rest was cut, but the row itself. One order for the whole group keeps it.
def row_together(x, group, seed):
    dice = torch.Generator().manual_seed(seed)
    mixed = x.flatten(1).clone()
    order = torch.randperm(len(x), generator=dice)
    for j in group:
        mixed[:, j] = mixed[order, j]
    return mixed.view_as(x)


# If all images take the value of image k, the column is one number. Going through all k goes
# through all pairs.
def exact_importance(model, x, y, j):
    def accuracy(flat):
        return (model(flat.view_as(x)).argmax(1) == y).double().mean()

    after = []
    for value in x.flatten(1)[:, j]:
        mixed = x.flatten(1).clone()
        mixed[:, j] = value
        after.append(accuracy(mixed))
    return accuracy(x.flatten(1)) - torch.stack(after).mean()


# Each of the two covers for the other, as the copies of a pixel did, so neither number says what
# the model would miss without both. Nor does it show that residence counts: that is for the group
# of both to say. More shuffles would only make a misleading number more precise.
postal_code = "c2"

# 3² · E(x₁′ − x₁)² = 9 · 2 · ¼: the squared weight, times twice the variance. So a large weight on
# an input that hardly varies has little importance (Fisher, Rudin and Dominici, 2019).
importance_of_x1 = 4.5

MISTAKES = {
    "postal_code": (
        *(
            Mistake(
                f"it is not used, {n}",
                f"a{n}",
                "Suppose that the model rests on the district alone, and reads it from either "
                "column, whichever is in place. Would the table look different?",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"it is used, {n}",
                f"b{n}",
                "Suppose that the model ignores both columns. Would the table look different? "
                "Then it does not show that they count.",
            )
            for n in "123"
        ),
        Mistake(
            "the intervals hold zero",
            "c1",
            "More shuffles would narrow the intervals. Would the numbers then answer the question?",
        ),
        Mistake(
            "training data",
            "c3",
            "On training applications each of the two columns would hide the other just as well.",
        ),
    ),
    "importance_of_x1": (
        Mistake("one variance", 2.25, "Both x₁′ and x₁ vary: the mean of (x₁′ − x₁)² is no ¼."),
        Mistake("weight not squared", 1.5, "The error is squared, and the weight with it."),
        Mistake("weight and one variance", 0.75, "Square the whole error, the weight with it."),
        Mistake("the weight", 3.0, "That is the weight. How much does x₁ vary?"),
        Mistake("the squared weight", 9.0, "That is the squared weight. How much does x₁ vary?"),
        Mistake(
            "twice the squared weight", 18.0, "Where is the variance? x₁ moves by less than 1."
        ),
    ),
}

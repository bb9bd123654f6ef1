"""Solutions of lesson 01. Written as cells of its notebook, which has imported torch and nn."""

import math

from torch import nn

from distill_lessons.exercises.exercise import Mistake

# The right class has the probability 1/20, so each image costs -log(1/20) = log 20 nats. A first
# training loss far above the log of the number of classes means that something is wrong before
# training has begun: labels shifted, inputs not scaled, weights far too large.
loss_of_ignorance = 2.996


# The order matters at two places: gradients are cleared before backward adds new ones, and the
# optimiser steps after that. `item` keeps the number and lets go of the graph behind it.
def training_step(model, optimizer, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# Training ends at the first epoch that is good enough. Without one there is no teacher, and 0 says
# so; to hand back the last epoch would be to raise the threshold without telling anybody.
def accepted_epoch(valid_loss, tau):
    for epoch, loss in enumerate(valid_loss, start=1):
        if loss <= tau:
            return epoch
    return 0


# Two faults. The mean of the batches' accuracies weights an image of a small batch more than one of
# a large batch: right answers are counted, and divided once. And the net was in train mode, where a
# batch norm uses the batch at hand and dropout switches units off. `evaluation.evaluate` takes care
# of both, and puts the model back into the mode in which it came.
def batched_accuracy(model, x, y, batch_size):
    model.eval()
    right = 0
    for xb, yb in zip(x.split(batch_size), y.split(batch_size)):
        right += (model(xb).argmax(1) == yb).sum().item()
    return right / len(y)


# The rule was fixed beforehand and looks at validation images only: epoch 20 is the only one of the
# three with a loss of at most 0.06. The test images then judge that net, once, and say 97.5 %. The
# 98.3 % is the largest of three noisy numbers, found by looking at the test images; it is too high
# on average, whatever the training loss says.
which_epoch = "b2"


# Average within a bin, take the size of the gap, weight it by images. The course's
# `evaluation.calibration` does the same. On small data the result depends on the number of bins:
# never compare two errors that were found with different bins.
def calibration_error(confidence, right, bins):
    bin_of = (confidence * bins).long().clamp(max=bins - 1)
    total = 0.0
    for b in range(bins):
        inside = bin_of == b
        if inside.any():
            gap = confidence[inside].mean() - right[inside].mean()
            total += gap.abs().item() * inside.sum().item()
    return total / len(confidence)


MISTAKES = {
    "loss_of_ignorance": (
        Mistake("bits", math.log2(20), "That is in bits. Nats take the natural logarithm."),
        Mistake("log10", math.log10(20), "That is the decimal logarithm; the natural one is due."),
        Mistake("sign", -math.log(20), "A cross-entropy is never negative: −log, of a number < 1."),
        Mistake("probability", 0.05, "That is the probability of the right class, not its loss."),
        Mistake("error", 0.95, "That is the share of wrong guesses; the loss is a logarithm."),
        Mistake("ten classes", math.log(10), "That is the loss for 10 classes; here are 20."),
    ),
    "which_epoch": (
        Mistake("test", "a1", "Who has looked at the test images in order to choose this row?"),
        Mistake("test, validation named", "a2", "Look at the validation column in that row again."),
        Mistake(
            "training",
            "a3",
            "A low training loss flatters: the net has seen these images 40 times.",
        ),
        Mistake(
            "test decides", "b1", "The row is right. But its test accuracy is not the highest."
        ),
        Mistake("training decides", "b3", "The row is right. But its training loss is not lowest."),
        Mistake(
            "number from another row",
            "c2",
            "The reason is right. But the number belongs to another net than the one you keep.",
        ),
        Mistake("best of three", "c1", "The largest of three noisy numbers is no test any more."),
        Mistake("mixed", "c3", "You would keep one net and advertise another."),
    ),
}

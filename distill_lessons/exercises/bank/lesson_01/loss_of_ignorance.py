"""The loss of a net that knows nothing."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="The loss of a net that knows nothing",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=3,
    hints=(
        "If all classes have the same probability, which one does the right class have?",
        "Every image contributes −log of that probability, so the mean is the same number.",
    ),
    tolerance=5e-3,
)

# ==== Solution ====================================================================================

import math

from distill_lessons.exercises.parts import Judging, Mistake

# The right class has the probability 1/50, so each image costs -log(1/50) = log 50 nats. A first
# training loss far above the log of the number of classes means that something is wrong before
# training has begun: labels shifted, inputs not scaled, weights far too large.
loss_of_ignorance = math.log(50)  # 3.912

judging = Judging(
    mistakes=(
        Mistake("bits", math.log2(50), "That is in bits. Nats take the natural logarithm."),
        Mistake(
            "log10", math.log10(50), "That is the decimal logarithm; nats take the natural one."
        ),
        Mistake("sign", -math.log(50), "A cross-entropy is never negative: −log, of a number < 1."),
        Mistake("probability", 0.02, "That is the probability of the right class, not its loss."),
        Mistake("error", 0.98, "That is the share of wrong guesses; the loss is a logarithm."),
        Mistake("ten classes", math.log(10), "That is the loss for 10 classes; here are 50."),
    )
)

"""Solutions of lesson 02. Written as cells of its notebook, which has imported torch and losses."""

import math

from distill_lessons import losses
from distill_lessons.exercises.exercise import Mistake

# Temperature takes the T-th root of the odds, and the fourth root of 10,000 is 10. What was
# invisible has become one tenth.
odds_at_four = 10.0


# The largest logit of a row cancels out, above and below the fraction bar. Without it no exponent
# is above 0, so nothing overflows; and one of them is 0, so the sum is at least 1 and never 0.
# torch.softmax(z / T, 1) does the same inside, and is as good an answer.
def temperature_softmax(z, T):
    largest = z.max(1, keepdim=True).values
    e = ((z - largest) / T).exp()
    return e / e.sum(1, keepdim=True)


# The file has to hold the logits. Probabilities lie between 0 and 1, so after a second softmax at
# T = 4 no class can get more than e^(1/4) = 1.28 times as much as another: nearly uniform targets,
# whose rows sum to 1 as they should. Logits serve every temperature, and take no more room.
def targets_from_file(z, T):
    saved = z
    return (saved / T).softmax(1)


# Where the formula comes from: write β = 1/T and Z = Σ exp(β z_k), so that log p_k = β z_k − log Z
# and H = log Z − β E[z]. The derivative of log Z by β is E[z], that of E[z] is Var(z), and so
# dH/dβ = E[z] − E[z] − β Var(z) = −β Var(z). With dβ/dT = −1/T² this is Var(z) / T³.
def entropy_slope(z, T):
    p = losses.soft_targets(z, T)
    mean = (p * z).sum(1)
    return ((p * z**2).sum(1) - mean**2) / T**3


# The rows of the block are the images of class a: the minimum runs along each row, over the images
# of class b.
def nearness(far, labels, a, b):
    block = far[labels == a][:, labels == b]
    return -block.min(1).values.mean()


# Of the 64 images in the first row 8 are misread, one in eight; seven in eight are read correctly.
# In the second row it is 1 of 295, so mistakes are 37 times as frequent above 1.5 nats.
# That 8 of 9 mistakes lie in the first row says what a filter would catch, not how likely an image
# in it is misread; and a difference of means says neither.
doubt = "b2"

MISTAKES = {
    "odds_at_four": (
        Mistake("divided", 2500.0, "T divides the logits. Odds are exponentials of logits."),
        Mistake("multiplied", 40000.0, "A temperature above 1 brings the classes together."),
        Mistake("unchanged", 10000.0, "Only the order stays the same at every temperature."),
        Mistake("square root", 100.0, "That is what T = 2 makes of it."),
        Mistake("logarithm", math.log(10000) / 4, "That is the difference of logits over T."),
        Mistake("turned round", 0.1, "That is how much less the 8 has. How much more has the 3?"),
    ),
    "doubt": (
        Mistake("base rate", "a1", "Misread images lie above. Is what lies above misread, too?"),
        Mistake("half", "a2", "The reason is good. What is the share of misread images, from it?"),
        Mistake(
            "means", "a3", "Means of two groups do not say how likely a single image is wrong."
        ),
        Mistake("share of mistakes", "b1", "Right, but that share is about mistakes, not images."),
        Mistake("no count", "b3", "Right, but a difference of means does not show how many."),
        Mistake("nothing, 1", "c1", "If it said nothing, would most mistakes lie above the line?"),
        Mistake("nothing, 2", "c2", "Compare the two shares in the reason you have chosen."),
        Mistake("nothing, 3", "c3", "The reason speaks against the conclusion."),
    ),
}

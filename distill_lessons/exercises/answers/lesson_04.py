"""Solutions of lesson 04."""

import torch

from distill_lessons import losses
from distill_lessons.exercises.exercise import Mistake


# The batch is shuffled, but the teacher's logits were always the first rows of the table: every
# image learned the answer for another one, and confidently. Images and rows have one index.
def index_step(student, optimizer, x, z, index, T):
    z_student = student(x[index])
    loss = losses.kd_loss(z_student, z[index], None, T=T, alpha=0.0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# What a seed does to both, an easy draw of images or a lucky start, cancels in the difference.
# The spread that is left belongs to the effect; over the root of n it is the standard error.
def paired_interval(a, b, t):
    d = a - b
    half = t * d.std() / len(d) ** 0.5  # torch's std divides by n - 1
    return d.mean(), d.mean() - half, d.mean() + half


# The teacher's guess and the values of its logits stay; what is lost is which wrong class is how
# likely. With the digits, 50 images and T = 4 the students end about 20 points below those with
# hard labels, in every one of the ten seeds: not only does the gain go, wrong dark knowledge is
# worse than none.
def shuffle_wrong(z, dice):
    shuffled = z.clone()
    for row in shuffled:
        others = [k for k in range(z.shape[1]) if k != int(row.argmax())]
        row[others] = row[others][torch.randperm(len(others), generator=dice)]
    return shuffled


# A bias b wins the images whose margin is below b, so it is the quantile of the margins. With the
# digits, b from validation images and the share of 3s in the training set: at T = 1 the students
# recognise 95 % of the 3s and not 23 %, at T = 4 98 % and not 91 %. They had learned what a 3 looks
# like, and did not dare to say so.
def class_bias(z, k, share):
    others = z.clone()
    others[:, k] = -torch.inf
    margin = others.max(1).values - z[:, k]
    return margin.quantile(share).item()


# The students differ in two things: one has soft targets, and one has a million labels behind its
# targets. The missing control is the student of a teacher that saw the same ten thousand labels. In
# this lesson that control took the whole gain away. The sentence of the company is true as far as
# the four points go; that softness is their cause is a guess.
missing_control = "c2"

# The gain of five points is many times what cells and seeds differ by, so it does not hang on the
# choice of the cell. But among cells that are about equally good some cell must come first, by
# luck, and on the images that chose it its luck is part of its number. On other images expect a
# little less, and perhaps another winner. The test images are for one measurement after the choice.
chosen_on_test = "b1"

# Both gains are above zero; at T = 4 it is about twice as large. On the training images the teacher
# is so sure that at T = 1 a hundredth of the probability, on average, is left for the wrong
# classes, against more than a quarter at T = 4: such targets are nearly labels. (Adam makes up for
# a factor on the whole loss, lesson 03; and the teacher's guess is the same at every T.)
at_one = "a3"

_SOFTNESS = (
    "The four points are there, but is softness the only thing in which the two students differ?"
)
_NO_GAIN = "The gain was measured, on the same images. Doubt its cause, not the gain."
_BEST = (
    "Would the same cell come first on other images? Its neighbours are a tenth of a point away."
)
_NOTHING = "Five points against a tenth: the two statements do not stand on the same footing."
_USELESS = "Look at the first interval again: does it reach zero?"
_HIGHER = "Two temperatures were tried. From T = 4 on this lesson's heatmap is flat."

MISTAKES = {
    "missing_control": (
        *(Mistake(f"softness, {n}", f"a{n}", _SOFTNESS) for n in "123"),
        *(Mistake(f"no gain, {n}", f"b{n}", _NO_GAIN) for n in "123"),
        Mistake(
            "student size",
            "c1",
            "The conclusion is right. But both students have the same net, and should have: what "
            "differs between them?",
        ),
        Mistake(
            "second test set",
            "c3",
            "The conclusion is right. But a second test set would show the same four points, and "
            "their cause no better.",
        ),
    ),
    "chosen_on_test": (
        *(Mistake(f"best, {n}", f"a{n}", _BEST) for n in "123"),
        Mistake(
            "five seeds",
            "b2",
            "The conclusion is right. But with a thousand seeds the same 359 images would still "
            "choose and judge.",
        ),
        Mistake(
            "finer grid",
            "b3",
            "The conclusion is right. But a finer grid has still more cells of which one can be "
            "lucky.",
        ),
        *(Mistake(f"nothing, {n}", f"c{n}", _NOTHING) for n in "123"),
    ),
    "at_one": (
        Mistake(
            "small loss",
            "a1",
            "The conclusion is right. But T² stands in the loss, and lesson 03 showed what Adam "
            "does to a factor on the whole of it.",
        ),
        Mistake(
            "worse teacher",
            "a2",
            "The conclusion is right. But does dividing all logits by T change which of them is "
            "the largest?",
        ),
        *(Mistake(f"useless, {n}", f"b{n}", _USELESS) for n in "123"),
        *(Mistake(f"the higher the better, {n}", f"c{n}", _HIGHER) for n in "123"),
    ),
}

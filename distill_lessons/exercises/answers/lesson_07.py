"""Solutions of lesson 07."""

import numpy as np

from distill_lessons.exercises.exercise import Mistake
from distill_lessons.explain import shap_adapters, similarity


# Pixels and channels become one axis, and the three sums run over it alone.
def map_cosine(a, b):
    a, b = (v.reshape(len(v), -1, v.shape[-1]) for v in (a, b))  # (N, D, K)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


# Every shift from 1 to N − 1 sets each image beside another one; together they are all pairs.
# On the digits the control is near zero, since most pairs are of two classes. With another image of
# the *same* class, b[mate], about half of the agreement remains: 0.49 of 0.99. There is something
# like a map of a class.
def this_image(a, b):
    others = [similarity.cosine(a, np.roll(b, shift, axis=0)).mean() for shift in range(1, len(a))]
    return similarity.cosine(a, b).mean() - np.mean(others)


# One order, one copy, and what is removed stays removed.
def deletion_curve(model, x, credit, baseline, k):
    mixed = x.flatten().clone()
    points = [model(x).softmax(1)[0, k].item()]
    for pixel in credit.flatten().argsort(descending=True):
        mixed[pixel] = baseline.flatten()[pixel]
        points.append(model(mixed.view_as(x)).softmax(1)[0, k].item())
    return points


# Maps were kept under the name of the net's class, and all nets are of the class Sequential: so
# the teacher's maps were compared with the teacher's maps. Whoever keeps results must keep them
# under everything that they depend on. And an agreement of 1.000 is a reason to look again.
def agreements(teacher, students, x, background):
    def maps_of(net):
        return shap_adapters.shap_values(net, x, background).values

    own = maps_of(teacher)
    return [similarity.cosine(own, maps_of(net)).mean() for net in students]


# Answers on the test images say nothing of how a net responds when pixels change, and that is what
# a map describes. A gives the large model's answer as often as B does, but its maps are further
# from the large model's than those of a net that saw 200 labels and no teacher.
which_student = "b1"

# The corner has the same value in image and background, so no credit can go there, however
# strongly the net relies on it: a clean audit hides the shortcut. The scanner's own data show it.
# Try it: corner_share(cued[0], zeroed(theirs), dark.take(picked)).
blind_audit = "c2"

# A net that has learned nothing draws nearly the same sizes, since the method multiplies by the
# pixel. So the picture cannot show what the net looks at, be the brochure right or wrong. What
# learning changed is the signs.
like_the_digit = "c3"

MISTAKES = {
    "which_student": (
        *(
            Mistake(
                f"A, {n}",
                f"a{n}",
                "A reads a little better. But its maps are to stand for the large model's: look "
                "at the last column, and at the rows below the line.",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"either, {n}",
                f"c{n}",
                "They give the same answers equally often. Do they give them for the same reasons? "
                "Look at the last column.",
            )
            for n in "123"
        ),
        Mistake(
            "because it answers alike",
            "b2",
            "The choice is right. But 97.4 and 97.5 % differ by one image in a thousand.",
        ),
        Mistake(
            "because it reads more",
            "b3",
            "The choice is right. But by this reason it would be A, which reads more images right.",
        ),
    ),
    "blind_audit": (
        *(
            Mistake(
                f"much, {n}",
                f"a{n}",
                "That was on data that carry the cue. How do image and background differ in the "
                "corner now?",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"its part of the area, {n}",
                f"b{n}",
                "Credit is not spread evenly over the area. How do image and background differ in "
                "the corner?",
            )
            for n in "123"
        ),
        Mistake(
            "because the net does not use it",
            "c1",
            "The number is right. But light the corner, and the net is fooled in 15 of 100 images: "
            "it does use it.",
        ),
        Mistake(
            "because it was small",
            "c3",
            "The number is right. But a single pixel had more than a third of the credit before.",
        ),
    ),
    "like_the_digit": (
        *(
            Mistake(
                f"it has learned strokes, {n}",
                f"a{n}",
                "The random net draws the same picture, and it has learned nothing.",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"it does not look at strokes, {n}",
                f"b{n}",
                "That is not shown either. The picture would be the same if it did.",
            )
            for n in "123"
        ),
        Mistake(
            "because the signs are noise",
            "c1",
            "The signs of the two nets differ. That the trained net's signs are noise does not "
            "follow: learning may have changed them.",
        ),
        Mistake(
            "because .93 is more than .90",
            "c2",
            "Both numbers are high, and their order decides nothing. What does the .90 say by "
            "itself?",
        ),
    ),
}

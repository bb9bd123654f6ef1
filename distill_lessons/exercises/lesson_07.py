"""Does the student think like its teacher? Cosines, a control, deletion, a teacher copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.exercise import Case, Exercise, Mistake
from distill_lessons.explain import similarity
from distill_lessons.explain.rescale import relu_stack, rescale

Map = np.ndarray
CHOICES = tuple(letter + number for letter in "abc" for number in "123")


def _net(shape: tuple[int, int, int], classes: int, seed: int, units: int = 8) -> nn.Sequential:
    net = models.mlp(shape, classes, (units,), seed=seed).requires_grad_(False)
    for weight in net.parameters():
        weight.mul_(3.0)  # so that the nets bend, and differ in more than a factor
    return net


# One cosine for each image and class -------------------------------------------------------------


def _maps(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    a = np.array([3.0, 4.0]).reshape(1, 1, 1, 2, 1)
    b = np.array([4.0, 3.0]).reshape(1, 1, 1, 2, 1)
    # Related maps of unequal size, so that it matters over what the sums run.
    size = np.array([1.0, 5.0, 0.2, 2.0]).reshape(4, 1, 1, 1, 1)
    one, noise = rng.normal(size=(2, 4, 2, 2, 3, 3))
    return [
        Case("a = (3, 4) and b = (4, 3), one image of two pixels, one class", (a, b)),
        Case("4 images of shape (2, 2, 3), 3 classes", (size * one, one + noise)),
    ]


def _ratio(a: Map, b: Map, axes: Any, *, keep: bool = True) -> Map:
    """Return the cosine over some axes, spread over `(N, K)` if they are not the right ones."""
    dot = (a * b).sum(axes, keepdims=keep)
    return np.asarray(
        dot / np.sqrt((a**2).sum(axes, keepdims=keep) * (b**2).sum(axes, keepdims=keep))
    )


def _classes_mixed(v: Map) -> Map:
    """Return `(N, 1, 1, D, K)` as an unlucky reshape gives it: classes and pixels mixed."""
    return v.reshape(len(v), v.shape[-1], -1).swapaxes(1, 2)[:, None, None]


map_cosine = Exercise(
    lesson="07",
    name="map_cosine",
    title="Agreement in code",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=6,
    hints=(
        "Pixels and channels are what a map consists of; images and classes count the maps. Over "
        "which axes do the three sums run?",
        "`a.reshape(len(a), -1, a.shape[-1])` has shape `(N, D, K)`; sum over axis 1.",
    ),
    cases=_maps,
    reference=similarity.cosine,
    mistakes=(
        Mistake(
            "all images in one vector",
            lambda a, b: _ratio(a, b, None, keep=False),
            "You made one vector of all images and classes, in which the large maps drown the "
            "small ones. Each image and class has a cosine of its own.",
        ),
        Mistake(
            "all classes in one vector",
            lambda a, b: _ratio(a, b, (1, 2, 3, 4), keep=False),
            "You made one vector of all classes of an image. Each class has a cosine of its own.",
        ),
        Mistake(
            "over the images too",
            lambda a, b: _ratio(a, b, (0, 1, 2, 3), keep=False),
            "You summed over the images as well. Each image has a cosine of its own.",
        ),
        Mistake(
            "not normed",
            lambda a, b: (a * b).sum((1, 2, 3)),
            "The product is not divided by the two norms, so a bolder map seems to agree more.",
        ),
        Mistake(
            "sizes only",
            lambda a, b: _ratio(np.abs(a), np.abs(b), (1, 2, 3), keep=False),
            "The signs are lost: a map that says the opposite would agree perfectly.",
        ),
        Mistake(
            "classes mixed",
            lambda a, b: _ratio(_classes_mixed(a), _classes_mixed(b), (1, 2, 3), keep=False),
            "Your maps mix pixels of several classes: `reshape(N, K, -1)` reads the numbers in "
            "their order, and K is the last axis. Keep it last, or move it first.",
        ),
        Mistake(
            "channels summed first",
            lambda a, b: _ratio(a.sum(1), b.sum(1), (1, 2), keep=False),
            "You summed the channels before the cosine, so credit for and against in one place "
            "cancels. Each channel of each pixel is an entry of the vector.",
        ),
        Mistake(
            "already averaged",
            lambda a, b: _ratio(a, b, (1, 2, 3), keep=False).mean(),
            "This is the mean of the cosines. Return them all, shape (N, K).",
        ),
    ),
)

# The control that is missing ---------------------------------------------------------------------


def _two_models(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    every = []
    for n, shape, classes in ((3, (1, 1, 3), 1), (5, (1, 2, 3), 4)):
        common = rng.normal(size=(1, *shape, classes))  # what is drawn for every image
        mine = rng.normal(size=(n, *shape, classes))
        a, b = (common + mine + 0.3 * rng.normal(size=mine.shape) for _ in range(2))
        words = f"{n} images of shape {shape}, {classes} class{'es' if classes > 1 else ''}"
        every.append(Case(words, (a, b)))
    return every


def _beside(a: Map, b: Map) -> tuple[Map, Map]:
    """Return the mean cosines of same images `(N,)` and of all pairs of images `(N, N)`."""
    units = [v.reshape(len(v), -1, v.shape[-1]) for v in (a, b)]
    units = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in units]
    table = np.einsum("idk,jdk->ij", *units) / a.shape[-1]
    return table.diagonal(), table


def _others(table: Map) -> Map:
    return table[~np.eye(len(table), dtype=bool)]


def _upper(table: Map) -> Map:
    return table[np.triu_indices(len(table), 1)]


def _above_others(a: Map, b: Map) -> float:
    same, table = _beside(a, b)
    return float(same.mean() - _others(table).mean())


this_image = Exercise(
    lesson="07",
    name="this_image",
    title="The missing control",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "`np.roll(b, 1, axis=0)` sets each map of the teacher beside the student's map of the "
        "image before. Which shifts are there with N images?",
        "The shifts 1 to N − 1 together go through all pairs of two different images; shift 0 "
        "is the agreement on the same image.",
        "`similarity.cosine(a, np.roll(b, shift, axis=0)).mean()` for each shift, then their mean.",
    ),
    cases=_two_models,
    reference=_above_others,
    mistakes=(
        Mistake(
            "the same image among the others",
            lambda a, b: float(_beside(a, b)[0].mean() - _beside(a, b)[1].mean()),
            "The same image is among your others. Leave out i = j, or the control holds what it "
            "should be compared with.",
        ),
        Mistake(
            "the control alone",
            lambda a, b: float(_others(_beside(a, b)[1]).mean()),
            "This is the agreement across images. By how much is it higher on the same image?",
        ),
        Mistake(
            "the agreement alone",
            lambda a, b: float(_beside(a, b)[0].mean()),
            "This is the agreement on the same image. What do the maps of other images reach?",
        ),
        Mistake(
            "one neighbour",
            lambda a, b: float(
                _beside(a, b)[0].mean() - _beside(a, np.roll(b, 1, axis=0))[0].mean()
            ),
            "You compared with one other image each. Take the mean over all others.",
        ),
        Mistake(
            "each pair once",
            lambda a, b: float(_beside(a, b)[0].mean() - _upper(_beside(a, b)[1]).mean()),
            "You took pairs with i < j only. But a[i] beside b[j] is not a[j] beside b[i]: the two "
            "models differ, so both count.",
        ),
        Mistake(
            "all classes in one vector",
            lambda a, b: _above_others(*(v.reshape(*v.shape[:-2], -1, 1) for v in (a, b))),
            "You made one vector of all classes of an image. As in exercise 1, each class has a "
            "cosine of its own; take their mean.",
        ),
        Mistake(
            "one model's own maps",
            lambda a, b: float(_beside(a, b)[0].mean() - _others(_beside(a, a)[1]).mean()),
            "Your control compares maps of one and the same model. Keep the two models, and change "
            "only the image.",
        ),
        Mistake(
            "others minus same",
            lambda a, b: -_above_others(a, b),
            "The sign is turned: same image minus other images.",
        ),
    ),
)

# Deletion ----------------------------------------------------------------------------------------


def _pictures(seed: int) -> list[Case]:
    every = []
    for shape, classes, k in (((1, 1, 3), 2, 0), ((1, 2, 3), 4, 2)):
        dice = torch.Generator().manual_seed(seed + classes)
        x, baseline = 1 + 3 * torch.rand(2, 1, *shape, generator=dice)
        credit = torch.randn(shape, generator=dice)
        words = f"an image of shape {shape}, {classes} classes, k = {k}"
        every.append(Case(words, (_net(shape, classes, seed), x, credit, baseline, k)))
    return every


def _keeps_x(
    answer: Any, model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor, k: int
) -> Any:
    before = x.clone()
    found = answer(model, x, credit, baseline, k)
    return None if found is None else {"curve": found, "x is as it was": torch.equal(x, before)}


def _path(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor) -> Tensor:
    """Return the logits with 0 to D pixels removed, shape `(D + 1, K)`."""
    place = credit.flatten().argsort(descending=True).argsort()  # 0 for the pixel that goes first
    removed = place < torch.arange(credit.numel() + 1)[:, None]
    logits: Tensor = model(torch.where(removed.view(-1, *credit.shape), baseline, x))
    return logits


def _deleted(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor, k: int) -> Tensor:
    return _path(model, x, credit, baseline).softmax(1)[:, k]


def _in_place(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor, k: int) -> Tensor:
    curve = _deleted(model, x, credit, baseline, k)
    x.copy_(baseline)
    return curve


def _each_alone(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor, k: int) -> Map:
    found = [float(model(x).softmax(1)[0, k])]
    for feature in credit.flatten().argsort(descending=True).tolist():
        one = torch.zeros(credit.numel(), dtype=torch.bool)
        one[feature] = True
        mixed = torch.where(one.view(credit.shape), baseline, x)
        found.append(float(model(mixed).softmax(1)[0, k]))
    return np.array(found)


deletion_curve = Exercise(
    lesson="07",
    name="deletion_curve",
    title="A deletion curve",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=10,
    points=2,
    hints=(
        "Sort the pixels once: `credit.flatten().argsort(descending=True)`. The credit is not "
        "computed anew on the way.",
        "Note the probability, then overwrite one more pixel of a flat copy of x, and so on: D + 1 "
        "probabilities, the first with nothing removed.",
        "`model(mixed.view_as(x)).softmax(1)[0, k]` is one point of the curve; a removed pixel "
        "takes the value of `baseline.flatten()` at its place.",
    ),
    cases=_pictures,
    ask=_keeps_x,
    reference=_deleted,
    mistakes=(
        Mistake(
            "in place",
            _in_place,
            "Your curve is right, but the image x was overwritten. `flatten` and `view` of a "
            "tensor share its memory, so work on a copy.",
        ),
        Mistake(
            "smallest first",
            lambda model, x, credit, *given: _deleted(model, x, -credit, *given),
            "You remove the smallest credit first. Deletion begins with the largest.",
        ),
        Mistake(
            "by absolute size",
            lambda model, x, credit, *given: _deleted(model, x, credit.abs(), *given),
            "You sort by absolute size. A pixel that speaks strongly *against* the class is not "
            "among the first to go.",
        ),
        Mistake(
            "zero as the baseline",
            lambda model, x, credit, baseline, k: _deleted(
                model, x, credit, torch.zeros_like(baseline), k
            ),
            "You set removed pixels to zero. They are to take the value of the baseline.",
        ),
        Mistake(
            "each pixel alone",
            _each_alone,
            "You remove one pixel at a time and put it back. On the curve, what is removed stays "
            "removed.",
        ),
        Mistake(
            "logits",
            lambda model, x, credit, baseline, k: _path(model, x, credit, baseline)[:, k],
            "These are logits of the class; its probability is due.",
        ),
        Mistake(
            "without the start",
            lambda *given: _deleted(*given)[1:],
            "The first point is missing: the probability with nothing removed.",
        ),
        Mistake(
            "insertion",
            lambda model, x, credit, baseline, k: _deleted(model, baseline, credit, x[0], k),
            "That is insertion: you begin with the baseline and put the image in.",
        ),
    ),
)

# A teacher copied --------------------------------------------------------------------------------


def _families(seed: int) -> list[Case]:
    every = []
    # Students built alike, and one built like the teacher: so it shows by what maps are kept.
    for shape, classes, units in (((1, 2, 2), 2, (8, 8)), ((1, 2, 3), 3, (5, 5, 8))):
        dice = torch.Generator().manual_seed(seed + len(units))
        teacher, *students = (
            _net(shape, classes, 10 * seed + s, width) for s, width in enumerate((8, *units))
        )
        x, background = torch.rand(7, *shape, generator=dice).split((4, 3))
        hidden = " and ".join([", ".join(map(str, units[:-1])), str(units[-1])])
        words = f"a teacher with 8 hidden units, students with {hidden}, 4 images of shape {shape}"
        every.append(Case(words, (teacher, students, x, background)))
    return every


def _explained(net: nn.Module, x: Tensor, background: Tensor) -> Map:
    linears = relu_stack(net, x)
    assert linears is not None
    return rescale(linears, x, background, centre=True)


def _agreements(
    own: Callable[..., Map] = _explained, theirs: Callable[..., Map] = _explained
) -> Callable[..., list[float]]:
    """Return the right function, or one that explains teacher or students in another way."""

    def agreements(
        teacher: nn.Module, students: Sequence[nn.Module], x: Tensor, background: Tensor
    ) -> list[float]:
        a = own(teacher, x, background)
        return [float(_beside(a, theirs(s, x, background))[0].mean()) for s in students]

    return agreements


def _kept_by(name: Callable[[nn.Module], str]) -> Callable[..., list[float]]:
    """Return the wrong function that makes one map for all nets of the same name."""

    def agreements(
        teacher: nn.Module, students: Sequence[nn.Module], x: Tensor, background: Tensor
    ) -> list[float]:
        kept: dict[str, Map] = {}
        for net in (teacher, *students):
            kept.setdefault(name(net), _explained(net, x, background))
        own = kept[name(teacher)]
        return [float(_beside(own, kept[name(net)])[0].mean()) for net in students]

    return agreements


def _all_together(
    teacher: nn.Module, students: Sequence[nn.Module], x: Tensor, background: Tensor
) -> float:
    return float(np.mean(_agreements()(teacher, students, x, background)))


agreements = Exercise(
    lesson="07",
    name="agreements",
    title="Find the bug: students in perfect agreement",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Every student agrees at 1.000, even one with random weights. Whose maps are compared?",
        "Print `type(teacher).__name__` and the same of a student. What are they called?",
    ),
    cases=_families,
    reference=_agreements(),
    mistakes=(
        Mistake("as given", _kept_by(lambda net: type(net).__name__), "", given=True),
        Mistake(
            "kept by architecture",
            _kept_by(str),
            "Nets that are built alike still share one map: `str(net)` and the number of "
            "parameters say how a net is built, not what it has learned.",
        ),
        Mistake(
            "a student kept for all",
            lambda teacher, students, x, background: (
                _agreements()(teacher, students[:1], x, background) * len(students)
            ),
            "All students have the agreement of the first one: its maps are kept for all of them.",
        ),
        Mistake(
            "another background",
            _agreements(theirs=lambda net, x, background: _explained(net, x, x)),
            "The students are explained against the images themselves, the teacher against the "
            "background. When models are compared, everything else must be the same.",
        ),
        Mistake(
            "the mean",
            _all_together,
            "This is the mean over the students. Return one number for each.",
        ),
    ),
)

# To read -----------------------------------------------------------------------------------------

which_student = Exercise(
    lesson="07",
    name="which_student",
    title="Two students on offer",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "The maps are shown as the reasons of the *large* model. Which column of the table is "
        "about that?",
        "Where do two functions have to be alike to give equal answers on a test set, and where "
        "to give equal maps?",
    ),
    options=CHOICES,
)

blind_audit = Exercise(
    lesson="07",
    name="blind_audit",
    title="A blind audit",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "SHAP shares out what changes between the image and the background. What changes in the "
        "corner?",
        "Remember the dummy axiom: what is the credit of a player that changes nothing?",
    ),
    options=CHOICES,
)

like_the_digit = Exercise(
    lesson="07",
    name="like_the_digit",
    title="It looks like the digit",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Cover the sentence of the brochure, and ask of the picture alone: which net does it show, "
        "the trained one or the random one?",
        "By what is the gradient multiplied in this method, and what is that at an empty pixel?",
    ),
    options=CHOICES,
)

"""Find the bug: students in perfect agreement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from distill_lessons.exercises.bank.lesson_07.common import tiny_net
from distill_lessons.exercises.compare import plain
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _families(seed: int) -> list[Case]:
    every = []
    # Students built alike, and one built like the teacher: so it shows by what maps are kept.
    for shape, classes, units in (((1, 2, 2), 2, (8, 8)), ((1, 2, 3), 3, (8, 8, 5, 8))):
        rng = dice(seed, len(units))
        teacher, *students = (
            tiny_net(shape, classes, mixed(seed, s), width) for s, width in enumerate((8, *units))
        )
        if classes == 3:  # nets that have some of their weights in common are others all the same
            for student, layer in zip(students, (1, 3), strict=False):
                student[layer].load_state_dict(teacher[layer].state_dict())
        # One student is nearly the teacher, here the first and there the last: so neither rising
        # nor falling agreements are the right ones.
        close = students[0 if classes == 2 else -1]
        close.load_state_dict(teacher.state_dict())
        last, _ = close[-1].parameters()
        last.mul_(1 + 0.5 * torch.rand(last.shape, generator=rng))
        # Far apart, so that no net finds an image and the background alike: its map would be zero.
        x, background = (3 * torch.randn(7, *shape, generator=rng)).split((4, 3))
        hidden = " and ".join([", ".join(map(str, units[:-1])), str(units[-1])])
        words = f"a teacher with 8 hidden units, students with {hidden}, 4 images of shape {shape}"
        every.append(Case(words, (teacher, students, x, background)))
    return every


def _twice(answer: Callable[..., Any], *given: Any) -> dict[str, Any] | None:
    """Ask again about one image: what is kept from one call to the next would show."""
    teacher, students, x, background = given
    found = plain(answer(*given))
    if found is None:
        return None
    again = plain(answer(teacher, students, x[:1], background))
    return {"the agreements": found, "the agreements on the first image alone": again}


GIVEN = """\
def agreements(teacher, students, x, background):
    kept = {}

    def maps_of(net):
        kind = type(net).__name__
        if kind not in kept:
            kept[kind] = shap_adapters.shap_values(net, x, background).values
        return kept[kind]

    own = maps_of(teacher)
    return [similarity.cosine(own, maps_of(net)).mean() for net in students]
"""

exercise = Exercise(
    title="Find the bug: students in perfect agreement",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Every student agrees at 1.000, even one with random weights. Whose maps are compared?",
        "Print `type(teacher).__name__` and the same of a student. What are they called?",
    ),
    cases=_families,
    ask=_twice,
)

# ==== Judging =====================================================================================

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from distill_lessons.exercises.bank.lesson_07.common import Map, beside
from distill_lessons.exercises.parts import Judging, Mistake
from distill_lessons.explain.rescale import relu_stack, rescale


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
        return [float(beside(a, theirs(s, x, background))[0].mean()) for s in students]

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
        return [float(beside(own, kept[name(net)])[0].mean()) for net in students]

    return agreements


def _all_together(
    teacher: nn.Module, students: Sequence[nn.Module], x: Tensor, background: Tensor
) -> float:
    return float(np.mean(_agreements()(teacher, students, x, background)))


judging = Judging(
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

# ==== Solution ====================================================================================

from distill_lessons.explain import shap_adapters, similarity


# Maps were kept under the name of the net's class, and all nets are of the class Sequential: so
# the teacher's maps were compared with the teacher's maps. Results that are kept must be kept
# under everything that they depend on. And an agreement of 1.000 is a reason to look again.
def agreements(teacher, students, x, background):
    def maps_of(net):
        return shap_adapters.shap_values(net, x, background).values

    own = maps_of(teacher)
    return [similarity.cosine(own, maps_of(net)).mean() for net in students]


def cosine_in_loops(a: Any, b: Any) -> list[list[float]]:
    return [
        [
            float(
                np.dot(p[..., k].ravel(), q[..., k].ravel())
                / np.sqrt(np.sum(p[..., k] ** 2) * np.sum(q[..., k] ** 2))
            )
            for k in range(a.shape[-1])
        ]
        for p, q in zip(a, b, strict=True)
    ]


def agreements_kept_by_net(teacher: Any, students: Any, x: Any, background: Any) -> Any:
    kept = {
        net: shap_adapters.shap_values(net, x, background).values for net in (teacher, *students)
    }
    return np.array([np.mean(cosine_in_loops(kept[teacher], kept[net])) for net in students])


other_ways = [agreements_kept_by_net]

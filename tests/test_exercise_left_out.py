"""Wrong answers that a check once let pass, because its questions left something out.

Each is right but for one thing: the first row, a class beyond the tenth, a value below zero, a
group out of order, a second call. They are refused whatever the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from distill_lessons.exercises import catalogue
from distill_lessons.explain import shap_adapters, similarity

SEEDS = (0, 5, 11)
Answer = Callable[..., Any]


def right(key: str) -> Answer:
    return catalogue.exercise(*key.split(".")).solved_by.answer


shuffled, moved = right("04.shuffle_wrong"), right("05.shuffle_group")
rises, exact = right("05.loss_rises"), right("05.exact_importance")
share, valued = right("06.shapley_share"), right("06.coalition_value")
above, curve = right("07.this_image"), right("07.deletion_curve")


def second_call_forgets() -> Answer:
    calls = []

    def answer(z: Any, dice: Any) -> Any:
        calls.append(z)
        return shuffled(z, dice) if len(calls) % 3 != 2 else torch.zeros_like(z)

    return answer


def in_train_mode(answer: Answer) -> Answer:
    return lambda model, *given: answer(model.train(), *given)


def group_in_order(x: Any, group: Any, order: Any) -> Any:
    mixed = x.flatten(1).clone()
    mixed[:, group.sort().values] = x.flatten(1)[order][:, group]
    return mixed.view_as(x)


def net_of(linears: Any, make: Answer, *first: nn.Module) -> nn.Module:
    layers = [part for linear in linears[:-1] for part in (linear, make())]
    return nn.Sequential(nn.Flatten(), *first, *layers, linears[-1])


def agreements_kept_for_ever() -> Answer:
    kept: dict[Any, Any] = {}

    def answer(teacher: Any, students: Any, x: Any, background: Any) -> Any:
        for net in (teacher, *students):
            if net not in kept:
                kept[net] = shap_adapters.shap_values(net, x, background).values
        return [similarity.cosine(kept[teacher], kept[net]).mean() for net in students]

    return answer


def agreements(*given: Any) -> list[float]:
    return [float(one) for one in right("07.agreements")(*given)]


def of_ten_classes(model: Any, x: Any, credit: Any, baseline: Any, k: int) -> Any:
    return curve(lambda images: model(images)[:, :10], x, credit, baseline, k)


WRONG: dict[str, dict[str, Answer]] = {
    "04.shuffle_wrong": {
        "the first row": lambda z, d: torch.cat([z[:1], shuffled(z[1:], d)]),
        "the last row": lambda z, d: torch.cat([shuffled(z[:-1], d), z[-1:]]),
        "the second call": second_call_forgets(),
    },
    "05.shuffle_group": {
        "half precision": lambda x, *given: moved(x.half(), *given).float(),
        "a group out of order": group_in_order,
        "values below zero": lambda x, *given: moved(x.clamp(min=0), *given),
    },
    "05.loss_rises": {
        "the mode": in_train_mode(rises),
        "values below zero": lambda model, x, *given: rises(model, x.clamp(min=0), *given),
    },
    "05.exact_importance": {
        "the mode": in_train_mode(exact),
        "other features": lambda model, x, y, j: exact(model, x, y, 0),
        "the second channel": lambda model, x, y, j: exact(model, x, y, j % x[0, 0].numel()),
        "the eleventh image": lambda model, x, y, j: exact(model, x[:10], y[:10], j),
    },
    "06.shapley_share": {"a negative share": lambda *given: max(0.0, share(*given))},
    "06.coalition_value": {
        "the mode": in_train_mode(valued),
        "values below zero": lambda model, image, background, present: valued(
            model, image.clamp(min=0), background.clamp(min=0), present
        ),
        "an image that is there twice": lambda model, image, background, present: valued(
            model, image, background.unique(dim=0), present
        ),
    },
    "06.build_net": {
        "pixels below zero": lambda linears: net_of(linears, nn.ReLU, nn.ReLU()),
        "almost a ReLU": lambda linears: net_of(linears, lambda: nn.LeakyReLU(1e-3)),
    },
    "07.this_image": {
        "a control that wins, clipped": lambda a, b: max(0.0, above(a, b)),
        "a control that wins, unsigned": lambda a, b: abs(above(a, b)),
    },
    "07.agreements": {
        "the second call": agreements_kept_for_ever(),
        "the order of the students, rising": lambda *given: sorted(agreements(*given)),
        "the order of the students, falling": lambda *given: sorted(agreements(*given))[::-1],
    },
    "07.deletion_curve": {
        "the eleventh class": of_ten_classes,
        "values below zero": lambda model, x, credit, *given: curve(
            model, x, credit * x[0], *given
        ),
    },
}
EACH = [(key, name) for key, answers in WRONG.items() for name in answers]


@pytest.mark.parametrize(("key", "name"), EACH, ids=[f"{key}, {name}" for key, name in EACH])
def test_who_leaves_something_out_is_refused_on_every_seed(key: str, name: str) -> None:
    exercise = catalogue.exercise(*key.split("."))
    for seed in SEEDS:
        verdict = exercise.judge(WRONG[key][name], seed)
        assert verdict.state == "not yet", seed
        assert "your code raised" not in verdict.text, verdict.text


@pytest.mark.parametrize("seed", [288545018, 5])
def test_a_map_of_zeros_is_nobody_s_fault(seed: int) -> None:
    """On the first of these seeds a student once found all images alike, and agreed at NaN."""
    exercise = catalogue.exercise("07", "agreements")
    assert exercise.judge(exercise.solved_by.answer, seed).state == "correct"
    zero = np.zeros((2, 1, 2, 2, 3))
    assert float(above(zero, zero)) == exercise_reference("07.this_image")(zero, zero) == 0.0


def exercise_reference(key: str) -> Answer:
    return catalogue.exercise(*key.split(".")).judged_by.reference


def test_a_layer_is_copied_otherwise_than_a_tensor() -> None:
    build, cosine = catalogue.exercise("06", "build_net"), catalogue.exercise("07", "map_cosine")

    def changes(a: Any, b: Any) -> Any:
        a /= np.linalg.norm(a)
        return a

    assert "`copy.deepcopy`" in build.judge(lambda linears: net_of(linears, nn.ReLU).double()).text
    assert "`clone`" in cosine.judge(changes).text

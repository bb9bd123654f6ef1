"""Wrong answers that a test makes by itself, for every exercise that asks for a function.

Constants, an argument handed back, the package's own functions, a solution that ignores one of its
arguments, a solution that changes one: none of them may count.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import distill_lessons
from distill_lessons.exercises import catalogue, testing
from distill_lessons.exercises.exercise import Exercise

SEED = 3
CODE = {
    made.key: made
    for lesson in catalogue.LESSONS
    for made in catalogue.of_lesson(lesson).values()
    if made.cases is not None
}
# To call the package is a fair way to fix a bug; what is to be written is written.
WRITTEN = {key: made for key, made in CODE.items() if made.kind == "code"}
# What an exercise leaves to the learner, so that an answer may do without it.
MAY_IGNORE = {"01.batched_accuracy": {3}}  # smaller batches than asked for are as good
NOT_THE_COURSE = ("exercises", "grading", "course", "plots", "predictions", "asking", "page")


def each_argument(code: dict[str, Exercise]) -> Any:
    pairs = [
        (made, place)
        for made in code.values()
        for place in range(len(made.cases(SEED)[0].arguments))
    ]
    return pytest.mark.parametrize(
        ("exercise", "place"), pairs, ids=[f"{made.key}-{place}" for made, place in pairs]
    )


each = pytest.mark.parametrize("exercise", CODE.values(), ids=CODE)
# A test is no function of tensors: it is asked on programs and returns nothing.
VALUES = {key: made for key, made in CODE.items() if made.ask is not testing.run}
each_of_values = pytest.mark.parametrize("exercise", VALUES.values(), ids=VALUES)


def refused(exercise: Exercise, answer: Callable[..., Any]) -> str:
    """Return what the check says to a wrong answer; fail if it accepts it."""
    verdict = exercise.judge(answer, SEED)
    assert verdict.state != "correct"
    return verdict.text


@each_of_values
def test_a_constant_is_refused(exercise: Exercise) -> None:
    for case in exercise.cases(SEED):
        right = exercise.solved_by.answer(*case.arguments)
        refused(exercise, lambda *given, right=right: copy.deepcopy(right))
    tensors = (torch.zeros(()), torch.zeros(2, 2))
    for constant in (0, 0.0, 1.0, -1.0, float("nan"), True, "", [], *tensors):
        refused(exercise, lambda *given, constant=constant: constant)


@each_argument(CODE)
def test_an_argument_handed_back_is_refused(exercise: Exercise, place: int) -> None:
    refused(exercise, lambda *given: given[place])
    refused(exercise, lambda *given: copy.deepcopy(given[place]))


# --- the package's own functions -----------------------------------------------------------------


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """Return every public function that a lesson could import, by its name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.walk_packages(distill_lessons.__path__, "distill_lessons."):
        name = module.name.removeprefix("distill_lessons.")
        # A command would begin its work here: that of the paper trains a night long. And what
        # spreads work over processes would start one for each hertz of a sample rate.
        if not name.startswith(NOT_THE_COURSE) and not name.endswith(("__main__", "spread")):
            loaded = importlib.import_module(module.name)
            for public, value in vars(loaded).items():
                own = getattr(value, "__module__", "") == module.name
                if inspect.isfunction(value) and own and not public.startswith("_"):
                    found[f"{name}.{public}"] = value
    return found


def takes(function: Callable[..., Any], count: int) -> bool:
    parameters = inspect.signature(function).parameters.values()
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in by_place if p.default is p.empty]
    named = [p for p in parameters if p.kind == p.KEYWORD_ONLY and p.default is p.empty]
    return len(needed) <= count <= len(by_place) and not named


@pytest.mark.parametrize("exercise", WRITTEN.values(), ids=WRITTEN)
def test_a_function_of_the_package_is_refused(exercise: Exercise) -> None:
    count = len(exercise.cases(SEED)[0].arguments)
    for name, function in functions().items():
        if takes(function, count):
            verdict = exercise.judge(function, SEED)
            assert verdict.state != "correct", f"{name} does it: name it in not_by"


@each
def test_the_bank_s_own_reference_is_refused(exercise: Exercise) -> None:
    reference = exercise.judged_by.reference
    if not reference.__module__.startswith(catalogue.BANK):
        assert exercise.kind == "bug" or reference in exercise.not_by
    else:
        assert "the course's own" in refused(exercise, reference)
        assert "the course's own" in refused(exercise, lambda *given: reference(*given))


@each
def test_an_answer_made_of_the_packages_own_is_told_so(exercise: Exercise) -> None:
    for number, answer in enumerate(exercise.solved_by.borrowed):
        said = refused(exercise, answer)
        assert "which does what you are asked to write here" in said, (number, said)
    named = {inspect.unwrap(function).__code__ for function in exercise.not_by}
    assert bool(exercise.solved_by.borrowed) == bool(named), "show that not_by is needed"


# --- arguments -----------------------------------------------------------------------------------


def another(value: Any) -> Any:
    """Return an argument of the same kind that knows nothing of the one it stands for."""
    if isinstance(value, torch.Tensor):
        if value.dtype.is_floating_point:
            return torch.linspace(-1, 1, value.numel()).view(value.shape).to(value.dtype)
        most = int(value.max()) if value.numel() else 0  # nobody may be present
        return (torch.arange(value.numel()) % (most + 1)).view(value.shape).to(value.dtype)
    if isinstance(value, np.ndarray):
        return np.linspace(-1, 1, value.size).reshape(value.shape)
    if isinstance(value, nn.Module):
        net = copy.deepcopy(value)
        with torch.no_grad():
            for weight in net.state_dict().values():
                if weight.dtype.is_floating_point:
                    weight.copy_(torch.linspace(0.1, 1, weight.numel()).view(weight.shape))
        return net
    if isinstance(value, torch.optim.Optimizer):
        weights = [weight for group in value.param_groups for weight in group["params"]]
        return torch.optim.SGD(weights, lr=0.1)
    if isinstance(value, torch.Generator):
        return torch.Generator().manual_seed(0)
    if isinstance(value, list) and value and all(isinstance(part, str | tuple) for part in value):
        return value[::-1]  # names, or layers, in another order
    if isinstance(value, list | tuple):
        return type(value)(0.5 if isinstance(part, float) else another(part) for part in value)
    if callable(value):
        return lambda coalition: float(len(list(coalition)))
    return value


@each_argument(VALUES)
def test_an_answer_that_ignores_an_argument_is_refused(exercise: Exercise, place: int) -> None:
    if place in MAY_IGNORE.get(exercise.key, ()):
        pytest.skip("left to the learner")
    solution = exercise.solved_by.answer
    first = exercise.cases(SEED)[0].arguments[place]
    fixed = isinstance(first, bool | int | float | str)

    def ignores(*given: Any) -> Any:
        stands_for = first if fixed else another(given[place])
        return solution(*given[:place], stands_for, *given[place + 1 :])

    said = refused(exercise, ignores)
    assert "your code raised" not in said, said  # refused for what it returns, not for a crash


def spoil(value: Any) -> bool:
    """Change an argument in place; return whether that is possible."""
    if isinstance(value, torch.Tensor):
        value.copy_(value + 1 if value.numel() and value.flatten()[0] != 1 else value * 0)
    elif isinstance(value, np.ndarray):
        value += 1
    elif isinstance(value, nn.Module):
        for weight in value.state_dict().values():
            return spoil(weight)
        return False
    elif isinstance(value, list):
        if not spoil(value[0]):
            value.append(value[0])
    else:
        return False
    return True


@each_argument(VALUES)
def test_an_answer_that_changes_an_argument_is_told_so(exercise: Exercise, place: int) -> None:
    if place in exercise.may_change:
        pytest.skip("the exercise asks to change it")

    def changes(*given: Any) -> Any:
        right = exercise.solved_by.answer(*given)
        right = right.clone() if isinstance(right, torch.Tensor) else copy.deepcopy(right)
        with torch.no_grad():
            spoil(given[place])
        return right

    if spoil(copy.deepcopy(exercise.cases(SEED)[0].arguments)[place]):
        assert "your function changes argument" in refused(exercise, changes)

"""Splitting, training, distilling and measuring: what is odd and right, and what a refusal says.

What `test_bad_arguments` tries of every public function is not tried again; the table holds what
only some of them know: methods of a Split, nets that return no logits, functions that return
something else. What it lists is refused with a ValueError or TypeError that comes from the package,
and whose message names the argument.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from strays import (
    NO_LABELS,
    NO_LOGITS,
    NO_SEED,
    NO_TENSOR,
    NO_WHOLE,
    TOO_SMALL,
    UNKNOWN_LABEL,
    Answers,
    N,
    S,
    Table,
    X,
    Y,
    Z,
    cases,
    check_refused,
    holding,
    net,
    weights,
)
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from distill_lessons import augmentation, data, distillation, models, seeds, tensors
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.distillation import consistent, distill, marginal_noise, uniform_noise
from distill_lessons.evaluation import calibration, evaluate, predict
from distill_lessons.fast.stacking import fit_many
from distill_lessons.objectives import Batch, check_last_batch
from distill_lessons.training import fit

SOFT = {"soft": NO_LABELS["soft"]}
TABLE: Table = {
    "Split x": (
        r"\bx\b",
        lambda v: Split(v, Y),
        NO_TENSOR
        | {"no row": X[:0], "flat": X.flatten(), "bytes": (255 * X).byte(), "whole": X.long()}
        | {"NaN": holding(math.nan), "infinity": holding(math.inf), "complex": X + 0j},
    ),
    "Split y": (
        r"\by\b",
        lambda v: Split(X, v),
        {"None": None, "NumPy": Y.numpy(), "a list": Y.tolist(), "floats": Y.float()}
        | {"bytes": Y.byte(), "booleans": Y > 0, "too few": Y[:3], "none": Y[:0], "a number": Y[0]}
        | {"parts too few": (Y, Y[:3]), "no parts": {}, "a part of NumPy": {"a": Y.numpy()}}
        | {"NaN": Z * math.nan},
    ),
    "Split mask": ("mask", lambda v: Split(X, Y, v), {"NumPy": X.numpy(), "too few": X[:3]}),
    "take index": (
        "index",
        S.take,
        {"None": None, "text": "a", "floats": [0.5], "too far": [20], "too far back": [-21]}
        | {"two axes": [[0, 1]], "short mask": [True]},
    ),
    "without_class label": ("label", S.without_class, NO_WHOLE),
    "to device": ("device", S.to, {"unknown": "gpu"}),
    "fit model": ("the model", lambda v: fit(v, S, steps=1), NO_LOGITS),
    "fit model, no weights": ("the model", lambda v: fit(v, S, steps=1), {"none": nn.Flatten()}),
    "fit epochs": ("epochs", lambda v: fit(net(), S, epochs=v), NO_WHOLE | TOO_SMALL),
    "fit schedule's": ("schedule", lambda v: fit(net(), S, schedule=v, steps=1), {"": lambda o: 1}),
    "fit optimizer's": (
        "optimizer",
        lambda v: fit(net(), S, optimizer=v, steps=1),
        {"None": lambda w, lr: None, "its own": lambda w, lr: w},
    ),
    "fit weight_decay beside optimizer": (
        "weight_decay",
        lambda v: fit(net(), S, optimizer=torch.optim.SGD, weight_decay=v, steps=1),
        {"positive": 0.1},
    ),
    "fit_many optimizer's": (
        "optimizer",
        lambda v: fit_many([net()], S, optimizer=v, steps=1),
        {"None": lambda w, lr: None},
    ),
    "fit_many schedule's": (
        "schedule",
        lambda v: fit_many([net()], S, schedule=v, steps=1),
        {"None": lambda o: None, "": lambda o: 1},
    ),
    "fit augment's": (
        "augment",
        lambda v: fit(net(), S, augment=v, steps=1),
        {"None": lambda x, g: None, "one row less": lambda x, g: x[1:]},
    ),
    "predict model": (
        "the model",
        lambda v: predict(v, X),
        {k: NO_LOGITS[k] for k in ("a tuple", "one row")},
    ),
    "predict x": (r"\bx\b", lambda v: predict(net(), v), {"bytes": X.byte(), "whole": X.long()}),
    "evaluate model": ("the model", lambda v: evaluate(v, S), NO_LOGITS),
    "calibration model": ("the model", lambda v: calibration(v, S), NO_LOGITS),
    "teacher_logits teacher": (
        "the model|teacher_logits",
        lambda v: distillation.teacher_logits(v, X),
        NO_LOGITS,
    ),
    "teacher_logits no x": (
        "teacher_logits has shape",
        lambda v: distillation.teacher_logits(net(), v),
        {"none": X[:0]},
    ),
    "distill student": ("the model|the student", lambda v: distill(v, S, Z, steps=1), NO_LOGITS),
    "distill transfer": (
        "transfer",
        lambda v: distill(net(), v, Z, alpha=0.5, steps=1),
        UNKNOWN_LABEL | SOFT,
    ),
    "join splits": ("splits", lambda v: distillation.join(S, v), SOFT),
    "uniform_noise like": (
        "like",
        lambda v: uniform_noise(v, 3, seed=0),
        {"a table": Split(Z, Y), "a mask": Split(X, Y, X > 0)},
    ),
    "marginal_noise like": (
        "like",
        lambda v: marginal_noise(v, 3, seed=0),
        {"a mask": Split(X, Y, X > 0)},
    ),
    "jitter's x": (
        r"\bx\b",
        lambda v: augmentation.jitter(1)(v, seeds.generator(0)),
        NO_TENSOR | {"a table": Z},
    ),
    "jitter out of sight": (
        "pixels",
        lambda v: augmentation.jitter(v)(X, seeds.generator(0)),
        {"5": 5, "huge": 10**30},
    ),
    "views split": (r"split|\bx\b", lambda v: augmentation.views(v, 1), {"a table": Split(Z, Y)}),
    "views pixels": ("pixels", lambda v: augmentation.views(S, v), {"out of sight": 5}),
    "stratified_subset split": ("split", lambda v: data.stratified_subset(v, 6, seed=0), SOFT),
    "stratified_index y": (
        r"\by\b",
        lambda v: data.stratified_index(v, 6, seed=0),
        {"a column": Y[:, None], "none": Y[:0], "booleans": Y > 0},
    ),
    "split_indices y": (
        r"\by\b",
        lambda v: tensors.split_indices(v, (0.5, 0.5), seed=0),
        {"None": None, "NumPy": Y.numpy(), "a list": Y.tolist(), "floats": Y.float()}
        | {"a column": Y[:, None], "one-hot": F.one_hot(Y), "none": Y[:0], "booleans": Y > 0},
    ),
    "split_indices shares": (
        "shares",
        lambda v: tensors.split_indices(Y, v, seed=0),
        {"half": (0.25, 0.25), "two": (1.0, 1.0), "negative": (1.5, -0.5), "zero": (1.0, 0.0)}
        | {"NaN": (math.nan, 0.5), "none": (), "None": None, "text": ("a", "b"), "number": 0.5},
    ),
    "split_indices seed": ("seed", lambda v: tensors.split_indices(Y, (0.5, 0.5), seed=v), NO_SEED),
}


@pytest.mark.parametrize(("said", "call", "value"), cases(TABLE))
def test_bad_argument_is_refused_by_name(said: str, call, value) -> None:
    check_refused(said, call, value)


# ---- What looks odd and is right -----------------------------------------------------------------


def trained(split: Split = S, **arguments: Any) -> Tensor:
    model = net()
    fit(model, split, **({"steps": 3, "batch_size": 8} | arguments))
    return weights(model)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_images_of_another_precision_are_those_images(dtype: torch.dtype) -> None:
    rough = X.to(dtype)
    there, back = Split(rough, Y), Split(rough.float(), Y)
    assert torch.equal(predict(net(), there.x), predict(net(), back.x))
    assert evaluate(net(), there) == evaluate(net(), back)
    assert calibration(net(), there)[1] == calibration(net(), back)[1]
    assert torch.equal(trained(there, valid=there), trained(back))
    students = [net(), net()]
    for student, split in zip(students, (there, back), strict=True):
        distill(student, split, Z, steps=3)
    torch.testing.assert_close(weights(students[0]), weights(students[1]), atol=1e-6, rtol=0)
    assert there.x.dtype == dtype


def test_a_net_of_double_precision_stays_one() -> None:
    model = net().double()
    fit(model, S, steps=2)
    assert predict(model, X).dtype == torch.float64


@pytest.mark.parametrize("odd", [np.int64, np.uint8, torch.tensor])
def test_whole_numbers_of_other_libraries_are_welcome(odd) -> None:
    assert torch.equal(
        trained(steps=odd(4), batch_size=odd(7), seed=odd(3)),
        trained(steps=4, batch_size=7, seed=3),
    )
    assert torch.equal(predict(net(), X, batch_size=odd(7)), predict(net(), X, batch_size=7))
    assert torch.equal(
        data.stratified_index(Y, odd(6), seed=odd(1)), data.stratified_index(Y, 6, seed=1)
    )
    assert torch.equal(marginal_noise(S, odd(4), seed=odd(1)).x, marginal_noise(S, 4, seed=1).x)


def test_images_and_logits_that_carry_gradients_or_lie_crosswise_in_memory() -> None:
    crosswise = X.transpose(2, 3).contiguous().transpose(2, 3)
    tracked = X.clone().requires_grad_()
    assert not crosswise.is_contiguous()
    for x in (crosswise, tracked):
        assert torch.equal(trained(Split(x, Y)), trained())
        assert torch.equal(predict(net(), x), predict(net(), X))
    assert tracked.grad is None
    z = Z.clone().requires_grad_()
    students = [net(), net()]
    distill(students[0], S, z, steps=3)
    distill(students[1], S, Z, steps=3)
    assert torch.equal(weights(students[0]), weights(students[1]))
    assert z.grad is None


def test_a_batch_larger_than_the_split_is_the_split() -> None:
    assert torch.equal(trained(batch_size=10**30), trained(batch_size=N))
    assert torch.equal(predict(net(), X, batch_size=10**30), predict(net(), X))


def test_shares_that_sum_to_one_but_for_rounding() -> None:
    parts = tensors.split_indices(torch.zeros(50).long(), (0.1,) * 10, seed=0)
    assert [len(part) for part in parts] == [5] * 10


def test_a_net_that_works_on_its_input_in_place_does_not_change_the_data() -> None:
    x = X.clone()
    split, doubling = Split(x, Y), nn.Sequential(nn.ReLU(inplace=True), *net())
    doubling.register_forward_pre_hook(lambda m, inputs: inputs[0].mul_(-2))
    first = predict(doubling, x)
    assert torch.equal(first, predict(doubling, x))
    evaluate(doubling, split)
    fit(doubling, split, steps=2, valid=split)
    assert torch.equal(x, X)


# ---- Messages that must say more than a name -----------------------------------------------------


def test_an_image_with_nan_is_named() -> None:
    with pytest.raises(ValueError, match="^image 5 holds NaN in x; repair it or leave it out"):
        Split(holding(math.nan), Y)
    with pytest.raises(ValueError, match="^example 5 holds an infinite number in x"):
        Split(holding(math.inf).flatten(1), Y)
    large = torch.full((4, 1, 2, 2), 6e4, dtype=torch.float16)  # their sum overflows, they do not
    assert len(Split(large, Y[:4])) == 4


def test_images_of_another_size_are_answered_with_both_sizes() -> None:
    said = r"^the model cannot take x of shape \(20, 1, 5, 5\) and type torch.float32 \(.*25 and 16"
    with pytest.raises(ValueError, match=said):
        predict(net(), torch.rand(20, 1, 5, 5))
    convolutional = models.cnn((1, 4, 4), 3)
    with pytest.raises(ValueError, match=r"x of shape \(2, 3, 4, 4\) .* to have 1 channels"):
        fit(convolutional, Split(torch.rand(20, 3, 4, 4), Y), steps=1)
    tokens = models.seeded(lambda: nn.Sequential(nn.Embedding(5, 2), nn.Flatten()), 0)
    with pytest.raises(ValueError, match=r"x of shape \(2, 3\) and type torch.int64"):
        predict(tokens, torch.full((2, 3), 7))


@pytest.mark.parametrize("error", [RuntimeError("my own bug"), KeyError("shape")])
def test_other_errors_of_a_net_are_its_own(error: Exception) -> None:
    def fail(x: Tensor) -> Tensor:
        raise error

    with pytest.raises(type(error)) as caught:
        predict(Answers(fail), X)
    assert caught.value is error


def test_a_net_without_weights_yet_is_refused_and_not_spoilt() -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    for use in (predict, evaluate, partial(fit, steps=2)):
        with pytest.raises(ValueError, match=r"^layer '1' has no weights yet; run the net once"):
            use(lazy, X if use is predict else S)
    lazy(X)
    fit(lazy, S, steps=2)
    assert evaluate(lazy, S)["loss"] > 0


def test_a_pruned_net_is_trained_after_it_was_measured() -> None:
    pruned, expected = net(), net()
    for model in (pruned, expected):
        prune.l1_unstructured(model[1], "weight", 0.5)
    predict(pruned, X)  # once left the masked weights of an inference behind
    fit(pruned, S, steps=2)
    fit(expected, S, steps=2)
    assert torch.equal(weights(pruned), weights(expected))


def with_norm(*after: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3), *after)


@pytest.mark.parametrize("budget", [{"epochs": 2}, {"steps": 3}])
def test_a_last_batch_of_one_is_refused_before_training_if_batch_normalisation_fails(
    budget,
) -> None:
    model, split = with_norm(), S.take(range(17))
    before = weights(model)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"^batch_size=8 leaves a batch of 1 of 17 examples"):
        fit(model, split, batch_size=8, **budget)
    assert torch.equal(weights(model), before)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    fit(model, split, batch_size=9, **budget)
    fit(model, split, batch_size=8, steps=2)  # ends before the batch of one
    with pytest.raises(ValueError, match=r"^batch_size=1 leaves a batch of 1 of 20"):
        fit(model, S, batch_size=1, steps=1)


def test_a_last_batch_of_one_is_refused_by_every_objective_that_trains_on_it() -> None:
    """Also in the projector of a student without batch normalisation, and behind augmentation."""
    split, wholes = S.take(range(17)), {"batch_size": 8, "epochs": 1}
    projector = with_norm()

    def both(model: nn.Module, batch: Batch) -> Tensor:
        return (model(batch.x) - projector(batch.x)).square().mean()

    def alone(model: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(model(batch.x), batch.y)

    def twice(model: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(model(torch.cat([batch.x, 1 - batch.x])), batch.y.repeat(2))

    said = r"^batch_size=8 leaves a batch of 1 of 17 examples"
    for student in (net(), projector):
        with pytest.raises(ValueError, match=said):
            fit(student, split, objective=both, also=[projector], **wholes)
    with pytest.raises(ValueError, match=said):
        fit(with_norm(), split, objective=alone, augment=augmentation.jitter(1), **wholes)
    normed = with_norm()
    state = {k: v.clone() for k, v in normed.state_dict().items()}
    check_last_batch(twice, [normed], split, None, batch_size=8, n_steps=3)  # two rows of each
    torch.testing.assert_close(normed.state_dict(), state, rtol=0, atol=0)
    fit(normed, split, objective=twice, **wholes)
    projector.eval()  # and is not trained along
    fit(net(), split, objective=both, **wholes)


def test_a_last_batch_of_one_is_fine_where_a_channel_has_several_pixels() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    split = S.take(range(17))
    assert fit(model, split, batch_size=8, epochs=1).rows[0]["step"] == 3
    assert fit(net(), split, batch_size=8, epochs=1).rows[0]["step"] == 3


@pytest.mark.parametrize("measure", [evaluate, calibration])
def test_a_net_that_diverged_has_no_accuracy(measure) -> None:
    diverged = net()
    with torch.no_grad():
        diverged[3].bias[1] = math.nan
    with pytest.raises(
        ValueError, match="^the model's answer holds NaN .* first in row 0; the mod"
    ):
        measure(diverged, S)


def test_fit_names_the_loss_of_a_run_that_diverged_before_its_accuracy() -> None:
    def loss(z: Tensor, y: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(z, y) * math.nan

    with pytest.raises(
        ValueError, match="^the loss became nan in epoch 1 with lr=0.001; try a ten"
    ):
        fit(net(), S, loss, epochs=1, valid=S)


# ---- Images that change on the way ---------------------------------------------------------------


def test_a_changed_image_with_the_logits_of_another_is_refused_with_both_ways_out() -> None:
    said = r"^augment= .*\.consistent\(teacher, T=T, alpha=alpha\).* augmentation.views\(transfer\)"
    with pytest.raises(ValueError, match=said):
        distill(net(), S, Z, augment=augmentation.jitter(1), steps=1)
    distill(net(), S, Z, augment=None, steps=1)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_a_teacher_asked_at_every_step_is_stored_logits_where_nothing_changes(alpha: float) -> None:
    teacher, stored, asked = net(seed=9), net(), net()
    distill(stored, S, distillation.teacher_logits(teacher, X), T=3.0, alpha=alpha, steps=6)
    fit(asked, S, objective=consistent(teacher, T=3.0, alpha=alpha), steps=6)
    torch.testing.assert_close(weights(stored), weights(asked), atol=1e-6, rtol=0)


def test_teacher_and_student_see_the_same_changed_image_and_the_teacher_stays_as_it_is() -> None:
    seen: dict[str, list[Tensor]] = {"teacher": [], "student": []}
    teacher = models.mlp((1, 4, 4), 3, (8,), dropout=0.5, seed=9)
    student = net()
    for name, model in (("teacher", teacher), ("student", student)):
        model.register_forward_pre_hook(lambda m, x, name=name: seen[name].append(x[0].clone()))
    before = weights(teacher)
    fit(student, S, objective=consistent(teacher), augment=augmentation.jitter(1), steps=3)
    assert len(seen["teacher"]) == len(seen["student"]) == 3
    assert all(map(torch.equal, seen["teacher"], seen["student"]))
    assert not torch.equal(seen["teacher"][0].sort(0).values, X.sort(0).values)
    assert torch.equal(weights(teacher), before)
    assert teacher.training
    assert all(p.grad is None for p in teacher.parameters())


def test_a_consistent_teacher_is_checked() -> None:
    with pytest.raises(ValueError, match="^T=0 must be a positive"):
        consistent(net(), T=0)
    with pytest.raises(ValueError, match="^alpha=2 must be in"):
        consistent(net(), alpha=2)
    with pytest.raises(ValueError, match="teacher_logits has shape .* same classes"):
        fit(net(), S, objective=consistent(models.mlp((1, 4, 4), 4)), steps=1)


def test_views_are_all_that_jitter_may_show_with_their_labels() -> None:
    every = augmentation.views(S, 1)
    assert len(every) == 9 * N
    assert torch.equal(every.y, Y.repeat(9))
    assert torch.equal(every.x[4 * N : 5 * N], X)  # the middle place is the image as it was
    jittered = augmentation.jitter(1)(X, seeds.generator(3))
    places = every.x.reshape(9, *X.shape)
    assert all((places[:, i] == jittered[i]).flatten(1).all(1).any() for i in range(N))
    assert len({tuple(view.flatten().tolist()) for view in places[:, 0]}) == 9
    hidden = augmentation.views(S.without_labels(), 1)
    assert (hidden.y == UNLABELLED).all()
    student = net()
    distill(student, every, distillation.teacher_logits(net(seed=9), every.x), steps=2)


def test_a_teacher_that_works_on_its_input_in_place_does_not_change_what_the_student_sees() -> None:
    teacher, twin = net(seed=9), net(seed=9)
    teacher.register_forward_pre_hook(lambda module, inputs: inputs[0].mul_(2))
    twin.register_forward_pre_hook(lambda module, inputs: (2 * inputs[0],))
    students = [net(), net()]
    for student, asked in zip(students, (teacher, twin), strict=True):
        fit(student, S, objective=consistent(asked), steps=3)
    assert torch.equal(weights(students[0]), weights(students[1]))


def test_a_net_that_overwrites_what_its_gradient_needs_is_told_how_not_to() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(16, 16), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            out = self.first(x.flatten(1)).relu()
            out += x.flatten(1)
            return self.last(out)

    said = r"changes in place .* write h = h \+ x for h \+= x"
    with pytest.raises(ValueError, match=said):
        fit(Residual(), S, steps=1)
    with pytest.raises(ValueError, match=said):
        distill(Residual(), S, Z, steps=1)

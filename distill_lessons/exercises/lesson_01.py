"""Lesson 01, when a teacher is good enough: loss, step, acceptance, accuracy, calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import evaluation
from distill_lessons.exercises.exercise import Case, Exercise, Mistake

loss_of_ignorance = Exercise(
    lesson="01",
    name="loss_of_ignorance",
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


# ---- One step ------------------------------------------------------------------------------------


def _linear(weight: Tensor) -> nn.Linear:
    # Draws no random numbers.
    net: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
    with torch.no_grad():
        net.weight.copy_(weight)
        net.bias.zero_()
    return net


def _steps(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    small, larger = _linear(torch.zeros(2, 2)), _linear(torch.randn(3, 4, generator=dice))
    x, y = torch.randn(5, 4, generator=dice), torch.randint(3, (5,), generator=dice)
    return [
        Case(
            "a linear net with all weights 0, x = [[1, 0], [0, 1]], y = [0, 1], learning rate 1",
            (small, torch.optim.SGD(small.parameters(), 1.0), torch.eye(2), torch.arange(2)),
        ),
        Case(
            "a linear net with random weights, five images, learning rate 0.5",
            (larger, torch.optim.SGD(larger.parameters(), 0.5), x, y),
        ),
    ]


def _two_steps(
    step: Callable[..., Any], model: nn.Module, optimizer: Any, x: Tensor, y: Tensor
) -> dict[str, Any] | None:
    weights = [nn.utils.parameters_to_vector(model.parameters()).tolist()]
    losses = []
    for n in (len(x), 1):
        losses.append(step(model, optimizer, x[:n], y[:n]))
        weights.append(nn.utils.parameters_to_vector(model.parameters()).tolist())
    if losses == [None, None] and weights[0] == weights[-1]:
        return None  # left blank
    return {
        "the loss that the step returns": losses[0],
        "the weights after the step": weights[1],
        "the loss that a second step returns, on the first image alone": losses[1],
        "the weights after the second step": weights[2],
    }


def _step(
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    moves: bool = True,
    clears: bool = True,
    late: bool = False,
) -> Callable[..., float]:
    """Return a step of gradient descent that needs no optimiser, with room for mistakes."""

    def step(model: nn.Module, optimizer: Any, x: Tensor, y: Tensor) -> float:
        value = loss(model(x), y)
        for weight, slope in zip(
            model.parameters(), torch.autograd.grad(value, list(model.parameters())), strict=True
        ):
            old = None if clears else weight.grad
            weight.grad = slope if old is None else slope + old
            weight.data -= moves * optimizer.param_groups[0]["lr"] * weight.grad
        return float(loss(model(x), y) if late else value)

    return step


def _mean_loss(z: Tensor, y: Tensor) -> Tensor:
    return -z.log_softmax(1)[torch.arange(len(y)), y].mean()


training_step = Exercise(
    lesson="01",
    name="training_step",
    title="One training step",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Five things in this order: logits, loss, clear the old gradients, find the new ones, move "
        "the weights. Three of them are methods of the loss or of the optimiser.",
        "`nn.functional.cross_entropy` takes logits and labels, and already averages over the "
        "batch.",
        "The loss knows `backward`; the optimiser knows `zero_grad` and `step`. Return the loss.",
    ),
    cases=_steps,
    ask=_two_steps,
    reference=_step(_mean_loss),
    mistakes=(
        Mistake(
            "no zero_grad",
            _step(_mean_loss, clears=False),
            "The second step still carries the gradient of the first: gradients add up unless they "
            "are cleared.",
        ),
        Mistake(
            "nothing moves",
            _step(_mean_loss, moves=False),
            "The weights stay where they were. Look for backward, for the optimiser's step, and "
            "for gradients that are cleared between the two.",
        ),
        Mistake(
            "loss summed",
            _step(lambda z, y: len(y) * _mean_loss(z, y)),
            "Your loss is summed over the batch, so the step grows with the batch size. The mean "
            "is due.",
        ),
        Mistake(
            "softmax before the loss",
            _step(lambda z, y: F.cross_entropy(z.softmax(1), y)),
            "The loss got probabilities. Cross-entropy takes logits and does the softmax itself; "
            "with two of them the gradients are small and wrong.",
        ),
        Mistake(
            "the loss after the step",
            _step(_mean_loss, late=True),
            "You return the loss after the weights have moved; the loss before the step is due.",
        ),
    ),
)


# ---- Accepting -----------------------------------------------------------------------------------


def _loss_curves(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    cases = [
        Case(
            "valid_loss = [0.5, 0.25, 0.375, 0.125], tau = 0.25",
            (torch.tensor([0.5, 0.25, 0.375, 0.125]), 0.25),
        ),
        Case(
            "valid_loss = [0.5, 0.25, 0.375], tau = 0.125: no epoch gets there",
            (torch.tensor([0.5, 0.25, 0.375]), 0.125),
        ),
    ]
    for _ in range(2):
        # Above tau until some epoch, lower still later, above it again at the end.
        curve = torch.tensor(rng.uniform(0.3, 0.9, 30)).float()
        first = int(rng.integers(2, 20))
        curve[first], curve[first + 3], curve[first + 6] = 0.1875, 0.0625, 0.125
        cases.append(Case("a curve of 30 epochs, tau = 0.25", (curve, 0.25)))
    return cases


def _first_below(valid_loss: Tensor, tau: float, default: int = 0) -> Any:
    epochs = np.flatnonzero(valid_loss.numpy() <= tau) + 1
    return np.append(epochs, default)[0]


accepted_epoch = Exercise(
    lesson="01",
    name="accepted_epoch",
    title="The rule of acceptance",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Training stops at the first epoch that is good enough; a better one may lie behind it, "
        "and nobody will ever see it.",
        "Go through the losses with `enumerate(valid_loss, start=1)` and return from inside of the "
        "loop.",
        "What is returned when the loop has come to its end without finding one?",
    ),
    cases=_loss_curves,
    reference=_first_below,
    mistakes=(
        Mistake(
            "the lowest loss",
            lambda valid_loss, tau: (
                _first_below(valid_loss, min(tau, float(valid_loss.min())))
                if (valid_loss <= tau).any()
                else 0
            ),
            "That is the epoch with the lowest loss. Training has ended before it: the rule takes "
            "the first epoch that meets the threshold.",
        ),
        Mistake(
            "the lowest loss, always",
            lambda valid_loss, tau: int(valid_loss.argmin()) + 1,
            "That is the epoch with the lowest loss, whether or not it meets the threshold; tau "
            "plays no part.",
        ),
        Mistake(
            "counted from 0",
            lambda valid_loss, tau: max(_first_below(valid_loss, tau) - 1, 0),
            "Your epochs are counted from 0; the course counts them from 1.",
        ),
        Mistake(
            "strictly below",
            lambda valid_loss, tau: _first_below(valid_loss, tau - 1e-6),
            "A loss equal to the threshold is accepted too: at most tau, not below it.",
        ),
        Mistake(
            "argmax of nothing",
            lambda valid_loss, tau: _first_below(valid_loss, tau, default=1),
            "Where no epoch meets the threshold you accept the first one. (The argmax of a row "
            "without any True is 0.)",
        ),
        Mistake(
            "accepted anyway",
            lambda valid_loss, tau: _first_below(valid_loss, tau, default=len(valid_loss)),
            "Where no epoch meets the threshold you accept the last one. The threshold is a "
            "constraint: then there is no teacher.",
        ),
    ),
)


# ---- Accuracy in batches -------------------------------------------------------------------------


def _normed(mean: Tensor, variance: Tensor) -> nn.Module:
    """Return a net of one batch norm, fresh from training: its logits are its normed inputs."""
    net = nn.BatchNorm1d(len(mean), affine=False)
    net.load_state_dict({"running_mean": mean, "running_var": variance}, strict=False)
    return net.train()


def _labelled_batches(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    small = _normed(torch.zeros(2), torch.ones(2))
    x_small = torch.tensor([[2, 1], [3, 0], [4, 1.5], [2, 3], [5, 1]])
    larger = _normed(2 * torch.randn(3, generator=dice), 0.5 + torch.rand(3, generator=dice))
    n = 22 + int(torch.randint(7, (), generator=dice))
    x = torch.randn(n, 3, generator=dice)
    # Mostly right in the two full batches, and once in the last, smaller one.
    wrong = torch.rand(n, generator=dice) < 0.3
    wrong[20], wrong[21:] = False, True
    y = (evaluation.predict(larger, x).argmax(1) + wrong) % 3
    return [
        Case(
            "five images in batches of 3: the first three are read correctly, the last two are not",
            (small, x_small, torch.tensor([0, 0, 0, 0, 1]), 3),
        ),
        Case(f"{n} images in batches of 10", (larger, x, y, 10)),
    ]


def _watched(
    answer: Callable[..., Any], model: nn.Module, x: Tensor, y: Tensor, batch_size: int
) -> dict[str, Any] | None:
    sizes: list[int] = []
    watch = model.register_forward_pre_hook(lambda net, inputs: sizes.append(len(inputs[0])))
    share = answer(model, x, y, batch_size)
    watch.remove()
    if share is None:
        return None  # left blank
    return {
        "the fraction of right answers": share,
        "the model gets more than batch_size images at once": max(sizes, default=0) > batch_size,
    }


def _share(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(1) == y).float().mean())


def _as_given(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    shares = []
    for xb, yb in zip(x.split(batch_size), y.split(batch_size), strict=True):
        shares.append(_share(model, xb, yb))
    return sum(shares) / len(shares)


def _in_batches(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    return _share(nn.Identity(), evaluation.predict(model, x, batch_size=batch_size), y)


def _in_train_mode(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    z = torch.cat([model(xb) for xb in x.split(batch_size)])
    return _share(nn.Identity(), z, y)


batched_accuracy = Exercise(
    lesson="01",
    name="batched_accuracy",
    title="Find the bugs: accuracy in batches",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Take five images in batches of 3 and 2: how much does an image of the second batch count, "
        "and how much one of the first?",
        "Count the right answers of all batches, and divide once, by the number of images.",
        "The model comes straight from training. Which mode is it in, and which is due here?",
    ),
    cases=_labelled_batches,
    ask=_watched,
    reference=_in_batches,
    mistakes=(
        Mistake("as given", _as_given, "", given=True),
        Mistake(
            "all at once",
            lambda model, x, y, batch_size: _share(model.eval(), x, y),
            "The number is right, but the whole set goes through the model at once, and for a "
            "large one the memory is too small. At most batch_size images may.",
        ),
        Mistake(
            "counted",
            lambda model, x, y, batch_size: len(y) * _in_batches(model, x, y, batch_size),
            "That is the number of right answers; their fraction is due.",
        ),
        Mistake(
            "train mode",
            _in_train_mode,
            "One fault is mended: every image counts the same. But the model still normalises each "
            "batch by itself, as it does in training.",
        ),
        Mistake(
            "mean of means",
            lambda model, x, y, batch_size: _as_given(model.eval(), x, y, batch_size),
            "One fault is mended: the model is in eval mode. But the mean over batches gives an "
            "image of a small batch more weight than one of a large batch.",
        ),
        Mistake(
            "the last batch dropped",
            lambda model, x, y, batch_size: _in_batches(
                model,
                x[: len(x) // batch_size * batch_size],
                y[: len(x) // batch_size * batch_size],
                batch_size,
            ),
            "You leave the last, smaller batch out; its images count like all others.",
        ),
    ),
)


# ---- Choosing, and calibration -------------------------------------------------------------------

which_epoch = Exercise(
    lesson="01",
    name="which_epoch",
    title="Which teacher, which number?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=4,
    points=2,
    hints=(
        "Which column may take part in a decision, and which one is looked at when all decisions "
        "are made?",
        "Choose the epoch without the last column; only then read the last column, in that row.",
    ),
    options=tuple(letter + number for letter in "abc" for number in "123"),
)


def _confidences(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    confidence = 0.1 + 0.9 * torch.rand(40, generator=dice)
    right = (torch.rand(40, generator=dice) < 0.6).float()
    confidence[0], right[0] = 1.0, 0.0  # sure and wrong: it matters into which bin it falls
    return [
        Case(
            "confidence = [0.8, 0.6, 0.3, 1.0], right = [1, 1, 1, 0], 2 bins",
            (torch.tensor([0.8, 0.6, 0.3, 1.0]), torch.tensor([1.0, 1.0, 1.0, 0.0]), 2),
        ),
        Case("40 images, 5 bins", (confidence, right, 5)),
        Case(
            "confidence = [0.95, 0.99, 0.75], right = [1, 1, 0], 10 bins: eight hold no image",
            (torch.tensor([0.95, 0.99, 0.75]), torch.tensor([1.0, 1.0, 0.0]), 10),
        ),
    ]


def _gaps(confidence: Tensor, right: Tensor, bins: int) -> pd.DataFrame:
    """Return one row for each bin that holds images: the signed gap and the number of images."""
    frame = pd.DataFrame({"gap": (confidence - right).numpy()})
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return frame.groupby(np.digitize(confidence.numpy(), edges))["gap"].agg(["mean", "size"])


def _weighted(confidence: Tensor, right: Tensor, bins: int) -> float:
    gaps = _gaps(confidence, right, bins)
    return float(np.average(gaps["mean"].abs(), weights=gaps["size"]))


calibration_error = Exercise(
    lesson="01",
    name="calibration_error",
    title="Expected calibration error",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "In which bin lies an image? `(confidence * bins).long()` counts the bins from 0; only a "
        "confidence of exactly 1 comes out one too high, and `clamp(max=bins - 1)` mends it.",
        "For one bin: a mask of its images; the mean confidence and the mean of `right` under the "
        "mask; the absolute difference of the two. Skip a bin without images: its mean is nan.",
        "Weight each gap by its number of images, add up, and divide by all images at the end.",
    ),
    cases=_confidences,
    reference=_weighted,
    mistakes=(
        Mistake(
            "bins count alike",
            lambda c, right, bins: float(_gaps(c, right, bins)["mean"].abs().mean()),
            "Every bin counts the same in your mean, though some hold many more images. Weight the "
            "gaps by images.",
        ),
        Mistake(
            "signed gaps",
            lambda c, right, bins: float((c - right).mean()),
            "Bins that are too bold and bins that are too modest cancel in your sum: each gap "
            "counts by its size, without its sign.",
        ),
        Mistake(
            "overconfidence",
            lambda c, right, bins: float((c - right).mean().abs()),
            "That is the gap of all images together; the bins play no part.",
        ),
        Mistake(
            "a gap for every image",
            lambda c, right, bins: float((c - right).abs().mean()),
            "You took the absolute difference image by image. Average within a bin first: even a "
            "calibrated net is never 80 % right on a single image.",
        ),
        Mistake(
            "the surest are lost",
            lambda c, right, bins: (
                _weighted(c[c < 1], right[c < 1], bins) * float((c < 1).sum()) / len(c)
            ),
            "Images with a confidence of exactly 1 fall into none of your bins; they belong to the "
            "last one.",
        ),
        Mistake(
            "empty bins",
            lambda c, right, bins: (
                _weighted(c, right, bins) if len(_gaps(c, right, bins)) == bins else np.nan
            ),
            "A bin without images has the mean nan, and nan times 0 is nan too, as is every sum "
            "that it enters. Skip such a bin.",
        ),
        Mistake(
            "not divided",
            lambda c, right, bins: _weighted(c, right, bins) * len(c),
            "Your sum is weighted by numbers of images, but not divided by all images.",
        ),
    ),
)

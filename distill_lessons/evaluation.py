"""What a trained model says and how good it is: logits, accuracy, calibration.

Everything here runs a model in eval mode and leaves it as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from distill_lessons import losses, seeds
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_numbers, check_tensor, check_type, class_labels


def predict(
    model: nn.Module, x: Tensor, mask: Tensor | None = None, *, batch_size: int = 2048
) -> Tensor:
    """Return the logits of a model in eval mode, shape ``(N, K)``; its mode is restored.

    Args:
        model: any net that returns logits.
        x: inputs ``(N, ...)``, images ``(N, C, H, W)``; ``predict(model, *split.inputs)`` gives the
            mask of a split too.
        mask: second argument of the model, ``(N, ...)``; None if it takes one.
        batch_size: how many examples go through at once; bounds the memory.

    Raises:
        TypeError: if the model is not a module, x is not a tensor, or the model returns something
            else.
        ValueError: if the model cannot take such inputs, or returns not one row for each.
    """
    x = as_input(model, x)
    size = min(whole_number("batch_size", batch_size), max(1, len(x)))
    if mask is not None:
        check_tensor("mask", mask)
    inputs = [part.split(size) for part in (x, mask) if part is not None]
    found = []
    # Not in inference mode: what a net makes on the way, such as the weights that a hook computes,
    # could not enter a backward pass later.
    with torch.no_grad(), evaluating(model):
        for parts in zip(*inputs, strict=True):
            with refusing(x):
                # Copies, since a net that works on its input in place would change the data.
                z = model(*(part.clone() for part in parts))
            check_type("what the model returns", z, Tensor, "logits, a tensor (N, K)")
            if z.shape[:1] != parts[0].shape[:1]:
                raise ValueError(
                    f"the model returns shape {tuple(z.shape)} for {len(parts[0])} examples; "
                    "logits need (N, K), one row for each."
                )
            found.append(z)
    return torch.cat(found)


def first_answer(model: nn.Module, split: Split) -> Tensor:
    """Return a model's logits for the first example, ``(1, K)``: K says how many classes it knows.

    Raises:
        ValueError: if the model cannot take the split's inputs, or returns no finite logits.
    """
    check_type("split", split, Split, "a Split, such as data.train")
    two = split.take(range(min(2, len(split))))  # two, to see that each gets a row
    z = predict(model, *two.inputs)
    losses.check_logits("the model's answer", z)
    return z[:1]


def as_input(model: nn.Module, x: Tensor) -> Tensor:
    """Return inputs in the precision of a model's weights.

    Raises:
        TypeError: if the model is not a module, or x is not a tensor.
        ValueError: if they are on different devices, or a layer has no weights yet.
    """
    check_built(model)
    check_tensor("x", x)
    weights = list(model.parameters())
    devices = {weight.device for weight in weights}
    if devices and x.device not in devices:
        device = weights[0].device
        raise ValueError(f"x is on {x.device}, the model on {device}; use x.to({str(device)!r}).")
    precisions = [weight.dtype for weight in weights if weight.is_floating_point()]
    if x.is_floating_point() and precisions and x.dtype not in precisions:
        return x.to(precisions[0])
    return x


def check_built(model: nn.Module) -> None:
    """Raise an error unless a model is a module whose layers all have weights.

    Raises:
        TypeError: if it is not a module.
        ValueError: if a lazy layer has not made its weights yet.
    """
    check_type("the model", model, nn.Module, "a torch.nn.Module, such as models.mlp(...)")
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ValueError(
                f"layer {name.rpartition('.')[0]!r} has no weights yet; run the net once on an "
                "input, model(x[:1]), before you use it here."
            )


# What torch says when inputs have another shape or type than a layer was built for.
_MISFIT = re.compile(r"shape|size|dimension|channels|dtype|type|out of range|expected \d", re.I)


@contextmanager
def refusing(x: Tensor) -> Iterator[None]:
    """Put the name, shape and type of the inputs before torch's words for a misfit."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        if not _MISFIT.search(str(error)):
            raise
        what = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"the model cannot take x of shape {tuple(x.shape)} and type {x.dtype} ({what}); give "
            "it inputs of the shape and type that it was built for."
        ) from error


@contextmanager
def refusing_in_place() -> Iterator[None]:
    """Say what to write instead where a net overwrites what its own gradient is computed from."""
    try:
        yield
    except RuntimeError as error:
        if not re.search("in-?place operation", str(error)):
            raise
        raise ValueError(
            "the model changes in place what its gradient is computed from; write h = h + x for "
            "h += x and nn.ReLU() for nn.ReLU(inplace=True)."
        ) from error


def check_repeatable(model: nn.Module, x: Tensor, mask: Tensor | None = None) -> None:
    """Raise a ValueError if a model in eval mode gives other logits each time it is asked.

    Args:
        model: any net that returns logits.
        x: a few inputs ``(N, ...)``.
        mask: second argument of the model, see `predict`.
    """
    check_tensor("x", x)
    with seeds.fork_rng(0, x.device):  # both draws differ, and the caller's are not moved
        first, second = (predict(model, x, mask) for _ in range(2))
    # Sums in another order, as on a GPU, differ by less.
    if len(x) and bool((first - second).abs().max() > 1e-4 * first.abs().max()):
        raise ValueError(
            f"model={type(model).__name__} gives other logits each time it is asked, also in eval "
            "mode: F.dropout needs training=self.training, and noise has no place in forward()."
        )


def evaluate(model: nn.Module, split: Split) -> dict[str, float]:
    """Return ``accuracy`` (a fraction) and ``loss`` (cross-entropy in nats) on a labelled split.

    Raises:
        TypeError: if `split` is not a Split.
        ValueError: if an image has no label, or one that the model does not know, or a logit is not
            finite.
    """
    z, y = _answers(model, split)
    accuracy = (z.argmax(1) == y).float().mean()
    return {"loss": float(F.cross_entropy(z, y)), "accuracy": float(accuracy)}


def _answers(model: nn.Module, split: Split) -> tuple[Tensor, Tensor]:
    """Return the logits of a model and the labels for a split, both checked."""
    check_type("split", split, Split, "a Split, such as data.test")
    z = predict(model, *split.inputs)
    losses.check_logits("the model's answer", z)
    return z, labels_of("split", split, z)


def labels_of(argument: str, split: Split, z: Tensor) -> Tensor:
    """Return the labels of a split, each of them one of the classes of logits `z`.

    Raises:
        ValueError: if an example has no label or another target, or one that is no class of `z`.
    """
    check_type(argument, split, Split, "a Split, such as data.test")
    y = class_labels(f"{argument}.y", split.y)
    check_numbers(f"{argument}.y", y)
    if bool((y == UNLABELLED).any()):
        raise ValueError(f"{argument} holds images without labels; accuracy needs all of them.")
    losses.check_labels(f"{argument}.y", y, z)
    return y


def calibration(model: nn.Module, split: Split, *, bins: int = 10) -> tuple[pd.DataFrame, float]:
    """Compare confidence with accuracy.

    Args:
        model: any net that returns logits.
        split: labelled images.
        bins: number of equal intervals of confidence.

    Returns:
        One row per bin that holds images (``confidence``, ``accuracy``, ``images``), and the
        expected calibration error: the mean gap, weighted by images.

    Raises:
        TypeError: if `split` is not a Split.
        ValueError: if an image has no label, a logit is not finite, or `bins` is not positive.

    Source: Guo et al. (2017), arXiv:1706.04599, section 2.
    """
    bins = whole_number("bins", bins)
    z, y = _answers(model, split)
    confidence, guess = z.softmax(1).cpu().max(1)
    frame = pd.DataFrame({"confidence": confidence, "accuracy": guess == y.cpu()})
    frame["bin"] = (frame["confidence"] * bins).astype(int).clip(upper=bins - 1)
    table = frame.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), images=("bin", "size")
    )
    gaps = (table["confidence"] - table["accuracy"]).abs()
    return table, float((gaps * table["images"]).sum() / len(frame))


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Put models into eval mode, and every part of them back into its own mode afterwards."""
    with _mode(models, training=False):
        yield


@contextmanager
def training_mode(*models: nn.Module) -> Iterator[None]:
    """Put models into train mode, and every part of them back into its own mode afterwards."""
    with _mode(models, training=True):
        yield


@contextmanager
def _mode(models: Sequence[nn.Module], *, training: bool) -> Iterator[None]:
    for model in models:
        check_type("the model", model, nn.Module, "a torch.nn.Module, such as models.mlp(...)")
    modes = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode

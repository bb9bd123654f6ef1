"""What a trained model says and how good it is: logits, accuracy, calibration.

Everything here runs a model in eval mode and leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import losses, seeds
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.tensors import class_labels


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
    """
    inputs = [part.split(batch_size) for part in (x, mask) if part is not None]
    # Not in inference mode: what a net makes on the way, such as the weights that a hook computes,
    # could not enter a backward pass later.
    with torch.no_grad(), evaluating(model):
        return torch.cat([model(*parts) for parts in zip(*inputs, strict=True)])


def check_repeatable(model: nn.Module, x: Tensor, mask: Tensor | None = None) -> None:
    """Raise a ValueError if a model in eval mode gives other logits each time it is asked.

    Args:
        model: any net that returns logits.
        x: a few inputs ``(N, ...)``.
        mask: second argument of the model, see `predict`.
    """
    with seeds.fork_rng(0, x.device):  # both draws differ, and the caller's are not moved
        first, second = (predict(model, x, mask) for _ in range(2))
    # Sums in another order, as on a GPU, differ by less.
    if bool((first - second).abs().max() > 1e-4 * first.abs().max()):
        raise ValueError(
            f"model={type(model).__name__} gives other logits each time it is asked, also in eval "
            "mode: F.dropout needs training=self.training, and noise has no place in forward()."
        )


def evaluate(model: nn.Module, split: Split) -> dict[str, float]:
    """Return ``accuracy`` (a fraction) and ``loss`` (cross-entropy in nats) on a labelled split.

    Raises:
        ValueError: if an image has no label, or one that the model does not know.
    """
    z = predict(model, *split.inputs)
    y = labels_of("split", split, z)
    accuracy = (z.argmax(1) == y).float().mean()
    return {"loss": float(F.cross_entropy(z, y)), "accuracy": float(accuracy)}


def labels_of(argument: str, split: Split, z: Tensor) -> Tensor:
    """Return the labels of a split, each of them one of the classes of logits `z`.

    Raises:
        ValueError: if an example has no label or another target, or one that is no class of `z`.
    """
    y = class_labels(f"{argument}.y", split.y)
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
        ValueError: if an image has no label, or `bins` is not positive.

    Source: Guo et al. (2017), arXiv:1706.04599, section 2.
    """
    if bins < 1:
        raise ValueError(f"bins={bins} must be at least 1; 10 is usual.")
    z = predict(model, *split.inputs)
    y = labels_of("split", split, z)
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
    modes = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode

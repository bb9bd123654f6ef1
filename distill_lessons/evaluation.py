"""What a trained model says and how good it is: logits, accuracy, calibration.

Everything here runs a model in eval mode and leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import losses
from distill_lessons.data import UNLABELLED, Split


def predict(model: nn.Module, x: Tensor, *, batch_size: int = 2048) -> Tensor:
    """Return the logits of a model in eval mode, shape ``(N, K)``; its mode is restored.

    Args:
        model: any net that returns logits.
        x: images ``(N, C, H, W)``.
        batch_size: how many images go through at once; bounds the memory.
    """
    with torch.inference_mode(), evaluating(model):
        z = torch.cat([model(part) for part in x.split(batch_size)])
    # Cloned outside of inference mode: an inference tensor could not enter a backward pass later.
    return z.clone()


def evaluate(model: nn.Module, split: Split) -> dict[str, float]:
    """Return ``accuracy`` (a fraction) and ``loss`` (cross-entropy in nats) on a labelled split.

    Raises:
        ValueError: if an image has no label, or one that the model does not know.
    """
    z = predict(model, split.x)
    check_labelled("split", split, z)
    accuracy = (z.argmax(1) == split.y).float().mean()
    return {"loss": float(F.cross_entropy(z, split.y)), "accuracy": float(accuracy)}


def check_labelled(argument: str, split: Split, z: Tensor) -> None:
    """Raise a ValueError unless every image has a label, and one of the classes of logits `z`."""
    if bool((split.y == UNLABELLED).any()):
        raise ValueError(f"{argument} holds images without labels; accuracy needs all of them.")
    losses.check_labels(f"{argument}.y", split.y, z)


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
    z = predict(model, split.x)
    check_labelled("split", split, z)
    confidence, guess = z.softmax(1).cpu().max(1)
    frame = pd.DataFrame({"confidence": confidence, "accuracy": guess == split.y.cpu()})
    frame["bin"] = (frame["confidence"] * bins).astype(int).clip(upper=bins - 1)
    table = frame.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), images=("bin", "size")
    )
    gaps = (table["confidence"] - table["accuracy"]).abs()
    return table, float((gaps * table["images"]).sum() / len(frame))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, and every part of it back into its own mode afterwards."""
    with _mode(model, training=False):
        yield


@contextmanager
def training_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into train mode, and every part of it back into its own mode afterwards."""
    with _mode(model, training=True):
        yield


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode

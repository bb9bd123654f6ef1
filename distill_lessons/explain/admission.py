"""The door to every explanation: inputs that the model takes, and rows that stand for themselves.

An explanation of one input presumes that its logits belong to it: that the model says the same when
asked again, and whatever else is in the batch. A few rows are enough to find out, so this is asked
before anything is explained. Knows nothing about attributions.
"""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import seeds
from distill_lessons.evaluation import check_built, check_repeatable, evaluating, predict, refusing
from distill_lessons.explain.arrays import Array, check_finite, check_logits
from distill_lessons.tensors import check_numbers

PROBES = 4  # rows looked at, beside as many others


def admitted(model: nn.Module, x: Tensor) -> Tensor:
    """Return `x` as the model takes it: on its device, in its precision, detached.

    Args:
        model: any model; left as it was.
        x: inputs, shape `(N, *input_shape)`.

    Raises:
        ValueError: if x is not a finite float batch or does not go through the model, if the model
            has layers without weights, gives other logits each time it is asked, or computes a
            row's logits from other rows.
    """
    check_built(model)
    x = inputs_for(model, x)
    mine = x[:PROBES]
    # two companies unlike in mean, largest value and norm
    dim, bright = (row.expand_as(mine) for row in (x.amin(0) / 2, x.amax(0) + x.abs().amax()))
    with seeds.fork_rng(0, x.device), torch.no_grad(), evaluating(model):
        with refusing(x):
            z = model(torch.cat([mine, dim]))
        check_repeatable(model, x[: 8 * PROBES])
        moved = z
        with contextlib.suppress(RuntimeError, ValueError, AssertionError):  # it may know a range
            moved = model(torch.cat([mine, bright]))
    if isinstance(z, Tensor) and z.shape[:1] == (2 * len(mine),):
        z, moved = z[: len(mine)].float(), moved[: len(mine)].float()
        # The same rows at the same places of a batch of the same size: not even rounding differs.
        if bool((z - moved).abs().max() > 1e-4 * z.abs().max().clamp_min(1e-6)):
            raise ValueError(
                f"model={type(model).__name__}: the logits of an input change with the other rows "
                f"of the batch, so that they cannot be explained by it alone. {_mixer(model)}"
            )
    return x


def inputs_for(model: nn.Module, x: Tensor) -> Tensor:
    """Return `x` on the model's device, in its precision and detached.

    Raises:
        ValueError: if `x` is not a finite float batch.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        kind = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"x is {kind}; give a float tensor (N, *input_shape), as torch.as_tensor(x).float() is."
        )
    check_numbers("x", x)
    check_finite("x", x)
    held = (*model.parameters(), *model.buffers())
    like = next((t for t in held if t.is_floating_point()), None)
    if like is not None:
        check_numbers("the model", like)
    return x.detach() if like is None else x.detach().to(like.device, like.dtype)


def logits(model: nn.Module, x: Tensor) -> Array:
    """Return the logits of a model for admitted inputs, float64, shape `(N, K)`, in eval mode."""
    z = check_logits(predict(model, x, batch_size=1024), len(x))
    return np.asarray(z.cpu().double().numpy())


def needs_statistics(name: str, layer: nn.Module) -> str | None:
    """Return what is to be said of a batch norm that normalises by the batch at hand, else None."""
    if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is None:
        return (
            f"layer '{name}' ({type(layer).__name__}) has no running statistics, so each row "
            "depends on the others in its batch; build it with track_running_stats=True and train "
            "it."
        )
    return None


def _mixer(model: nn.Module) -> str:
    said = (needs_statistics(name, layer) for name, layer in model.named_modules())
    named = " ".join(text for text in said if text is not None)
    return named or "Look in forward() for a mean, max or norm over the first axis, or over all."

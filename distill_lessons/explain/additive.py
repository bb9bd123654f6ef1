"""What every explainer of single predictions returns, and the checks that each of them passes.

An additive explanation shares out `output − mean output over the background` among the inputs. Here
inputs are checked, the output to explain is chosen, and the additivity gap is measured and judged.
Knows nothing about how the attributions were computed (see `shapley`, `shap_adapters`).
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from distill_lessons.explain import forward
from distill_lessons.explain.admission import admitted
from distill_lessons.explain.arrays import Array, check_finite, check_logits
from distill_lessons.losses import centred
from distill_lessons.settings import one_of
from distill_lessons.tensors import check_numbers

OUTPUTS = ("centred", "logits", "softmax")


@dataclass(frozen=True)
class Explanation:
    """The attributions of each prediction, with what is needed to judge them.

    Attributes:
        values: float64, shape `(N, *input_shape, K)`, or `(N, R, K)` for regions.
        base: mean output over the background, shape `(K,)`.
        outputs: the outputs that are explained, shape `(N, K)`.
        gap: largest `|base + sum of values − output|` over inputs and classes, in units of the
            output. A small gap is necessary for right values, and far from sufficient.
        rows: inputs that went through the model (forward, or forward and back), counted as the
            method defines them, without what we save.
        seconds: wall-clock time. The first call of a method also imports and compiles shap.
        method: its name.
    """

    values: Array
    base: Array
    outputs: Array
    gap: float
    rows: int
    seconds: float
    method: str


def prepare(
    model: nn.Module, x: Tensor, background: Tensor, output: str, memory: float
) -> tuple[Tensor, Tensor, nn.Module]:
    """Return checked inputs and background on the model's device, and a private copy of the model.

    Raises:
        ValueError: for an unknown output, bad arrays, or a background of another shape.
    """
    one_of("output", output, OUTPUTS)
    forward.check_memory(memory)
    net = forward.private_copy(model)
    x = admitted(net, x)
    if isinstance(background, Tensor):
        check_numbers("background", background)
    shape = tuple(background.shape) if isinstance(background, Tensor) else None
    if shape is None or len(shape) < 2 or shape[1:] != tuple(x.shape[1:]) or shape[0] < 1:
        raise ValueError(
            f"background has shape {shape}; give a tensor (B, {', '.join(map(str, x.shape[1:]))}) "
            "of typical inputs, for example 100 of the training split."
        )
    check_finite("background", background)
    return x, background.detach().to(x), net


def view_output(z: Tensor, output: str) -> Tensor:
    """Return averaged outputs `(..., K)` in float64, centred if asked.

    Centring is linear and may follow an average; softmax must come before it, so it is not here.
    """
    z = forward.widened(z)
    return centred(z) if output == "centred" else z


def explained(
    net: nn.Module, x: Tensor, background: Tensor, output: str, memory: float
) -> tuple[Array, Array]:
    """Return the mean output over the background `(K,)` and the outputs for x `(N, K)`."""

    def outputs(batch: Tensor) -> Array:
        z = forward.widened(check_logits(forward.evaluate(net, batch, memory), len(batch)))
        z = z.softmax(1) if output == "softmax" else view_output(z, output)
        return np.asarray(z.cpu().numpy())

    base = outputs(background).mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said once
        return base, outputs(x)


def checked(
    values: Array,
    base: Array,
    outputs: Array,
    method: str,
    rows: int,
    start: float,
    *,
    tolerance: float | None = None,
    additive: bool = True,
    cause: str = "rounding; use model.double(), or give a tolerance",
) -> Explanation:
    """Measure the additivity gap and return the explanation, or refuse it.

    Args:
        values: attributions, first axis N, last axis K.
        base: mean output over the background, shape `(K,)`.
        outputs: shape `(N, K)`.
        method: name of the explainer.
        rows: inputs that went through the model.
        start: `time.perf_counter()` at the start.
        tolerance: largest gap allowed; by default a thousandth of the largest output, or of 1.
        additive: whether the method adds up by construction, so that a gap is a fault.
        cause: what a gap most likely comes from.

    Raises:
        ValueError: for attributions that are not finite, or a gap above the tolerance.
    """
    if not np.isfinite(values).all():
        raise ValueError(
            f"method={method!r} gave {int((~np.isfinite(values)).sum())} NaN or infinite "
            "attributions. Look for NaN weights, or for a division by zero inside the model."
        )
    summed = values.reshape(len(values), -1, values.shape[-1]).sum(1)
    gap = float(np.abs(base + summed - outputs).max())
    limit = 1e-3 * max(1.0, float(np.abs(outputs).max())) if tolerance is None else tolerance
    if additive and gap > limit:
        raise ValueError(
            f"method={method!r}: base value and attributions miss the model's output by {gap:.3g} "
            f"(tolerance {limit:.3g}), so they do not explain this model. Likely cause: {cause}."
        )
    seconds = time.perf_counter() - start
    return Explanation(values.astype(np.float64), base, outputs, gap, rows, seconds, method)

"""shap's explainers behind one contract: `(N, *input_shape, K)`, float64, gap measured.

What every adapter sees to: the background is given by the caller and used to the last row; centred
logits are explained unless asked otherwise; the model that shap hooks is a copy; global random
states are put back; the additivity gap is measured and judged. Kernel and permutation, which is our
own, are in `sampled`.
Knows nothing about whether an explanation is faithful (see `quality`).
"""

from __future__ import annotations

import time
import warnings
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import seeds
from distill_lessons.evaluation import refusing_in_place
from distill_lessons.explain import forward, sampled
from distill_lessons.explain.additive import Explanation, checked, explained, prepare
from distill_lessons.explain.arrays import Array
from distill_lessons.explain.checks import check_explainable
from distill_lessons.explain.groups import Groups, as_groups, singles
from distill_lessons.explain.rescale import relu_stack, rescale
from distill_lessons.explain.shapley import exact
from distill_lessons.settings import number, one_of, whole_number
from distill_lessons.tensors import check_numbers

METHODS = ("deep", "gradient", "kernel", "permutation", "exact")

CAUSE = "rounding, where outputs are large sums of opposite sign; use model.double(), or tolerance="
CAUSES = {
    "deep": "forward() takes another way for x than for the background, or works with numbers that "
    "are no tensors, which check_explainable cannot see; use method='permutation' or 'kernel'",
    "kernel": "l1_reg drops players; use l1_reg=0",
}


def shap_values(
    model: nn.Module,
    x: Tensor,
    background: Tensor,
    *,
    method: str = "deep",
    output: str = "centred",
    regions: Groups | None = None,
    samples: int | None = None,
    l1_reg: float | str = 0,
    engine: str = "auto",
    seed: int = 0,
    tolerance: float | None = None,
    memory: float = 256.0,
) -> Explanation:
    """Share out the difference between each output and the background's mean among the inputs.

    Args:
        model: returns logits `(N, K)`; explained in eval mode on a copy.
        x: images to explain, shape `(N, *input_shape)`.
        background: what "without this feature" means, shape `(B, *input_shape)`. Its choice
            changes the values; the error of the methods falls slowly with B.
        method: `"deep"` (a rule for each activation; fast, approximate, additive), `"gradient"`
            (expected gradients; approximate, its gap is reported and not judged), `"kernel"` and
            `"permutation"` (sampling, for any model, additive), `"exact"` (up to 16 regions).
        output: `"centred"` for `z_k − mean_j z_j`, `"logits"`, or `"softmax"`, which deep SHAP
            passes the additivity check with and still gets wrong.
        regions: a partition of the features, or a label map (see `groups`). Kernel, permutation
            and exact then play with regions; deep and gradient add up their features' values.
        samples: coalitions for kernel (default `2 R + 2048`), rounds for permutation (default 10,
            each one order of arrival and its reverse), points for gradient (default 200).
        l1_reg: kernel's feature selection; 0 for none. shap's own default, `"num_features(10)"`,
            keeps ten features and sets all others to zero.
        engine: for deep: `"auto"` takes our rule where the model is a plain ReLU net, `"shap"`
            always `shap.DeepExplainer`.
        seed: of the sampling methods.
        tolerance: largest additivity gap; by default a thousandth of the largest output, or of 1.
        memory: limit for temporary arrays in MiB, where we hold the arrays and not shap.

    Returns:
        Values of shape `(N, *input_shape, K)`, or `(N, R, K)` with regions, the base value, the
        outputs, the gap, and what it cost.

    Raises:
        ValueError: for bad arguments, for layers that deep SHAP gets wrong, for attributions that
            are not finite, or for an additivity gap above the tolerance.

    Source: Lundberg & Lee (2017), A unified approach to interpreting model predictions; for
        gradient: Erion et al. (2021), Improving performance of deep learning models with axiomatic
        attribution priors and expected gradients.
    """
    one_of("method", method, METHODS)
    one_of("engine", engine, ("auto", "shap"))
    seed = seeds.checked(seed)
    if samples is not None:
        whole_number("samples", samples)
        if method in ("deep", "exact"):
            raise ValueError(
                f"samples={samples} says nothing to method={method!r}, which draws none; leave it "
                "out, or use method='permutation'."
            )
    if tolerance is not None and not 0 <= number("tolerance", tolerance) < np.inf:
        raise ValueError(f"tolerance={tolerance} must be a number >= 0; None is the usual one.")
    check_numbers("x", x)
    shape = tuple(x.shape[1:])
    if method == "exact":
        players = singles(int(np.prod(shape))) if regions is None else regions
        found = exact(model, x, background, players, output=output, memory=memory)
        return found if regions is not None else _reshaped(found, shape)
    start = time.perf_counter()
    x, background, net = prepare(model, x, background, output, memory)
    groups = singles(x[0].numel()) if regions is None else as_groups(regions, shape, partition=True)
    base, outputs = explained(net, x, background, output, memory)
    k, n_b = len(base), len(background)
    samples = samples or {"kernel": 2 * len(groups) + 2048, "permutation": 10}.get(method, 200)
    rows = estimate_rows(method, len(x), n_b, len(groups), k, samples)
    if method == "deep":
        values = _deep(net, x, background, output, engine, seed, memory, k)
    elif method == "gradient":
        forward.announce_rows(f"{method} SHAP", net, x, rows, passes=3.0)
        values = _gradient(wrapped(net, k, output), x, background, samples, seed)
    else:
        forward.announce_rows(f"{method} SHAP", net, x, rows)
        solve = partial(sampled.kernel, samples=samples, l1_reg=l1_reg, seed=seed)
        if method == "permutation":
            solve = partial(sampled.permutation, rounds=samples, seed=seed)
        values, rows = sampled.played(net, x, background, groups, solve, k, output, memory)
    values = values.reshape(len(x), -1, k)
    if regions is None:
        values = values.reshape(len(x), *shape, k)
    elif method in ("deep", "gradient"):
        values = np.stack([values[:, group].sum(1) for group in groups], 1)
    return checked(
        values,
        base,
        outputs,
        method,
        rows,
        start,
        tolerance=tolerance,
        additive=method != "gradient",
        cause=CAUSES[method] if method == "deep" or (method == "kernel" and l1_reg) else CAUSE,
    )


def estimate_rows(
    method: str, n_images: int, n_background: int, n_players: int, n_classes: int, samples: int = 0
) -> int:
    """Return how many inputs go through the model: the cost to compare explainers by.

    Args:
        method: see `shap_values`.
        n_images: N, images to explain.
        n_background: B.
        n_players: features, or regions (not used by deep and gradient).
        n_classes: K (each class is one backward pass for deep and gradient).
        samples: see `shap_values`.

    >>> estimate_rows("exact", 1, 50, 16, 10)
    3276800
    """
    one_of("method", method, METHODS)
    each: dict[str, int] = {
        "deep": n_background * n_classes,
        "gradient": samples * n_classes,
        "kernel": min(samples, 2**n_players) * n_background,
        "permutation": samples * (2 * n_players + 1) * n_background,
        "exact": 2**n_players * n_background,
    }
    return n_images * each[method]


def wrapped(net: nn.Module, n_classes: int, output: str) -> nn.Module:
    """Return the model with its output changed by a layer that shap has a rule for.

    Centring is a linear layer with weights `I − 1/K`, so every explainer handles it exactly.
    """
    if output == "logits":
        return net
    if output == "softmax":
        return nn.Sequential(net, nn.Softmax(dim=1)).eval()
    reference = next(net.parameters(), torch.zeros(()))
    # skip_init: drawing initial weights would move the caller's random state.
    centre = nn.utils.skip_init(nn.Linear, n_classes, n_classes, bias=False).to(reference)
    centre.weight.data = torch.eye(n_classes).to(reference) - 1 / n_classes
    return nn.Sequential(net, centre.requires_grad_(False)).eval()


def _deep(
    net: nn.Module,
    x: Tensor,
    background: Tensor,
    output: str,
    engine: str,
    seed: int,
    memory: float,
    k: int,
) -> Array:
    linears = relu_stack(net, x)
    if linears is not None and engine == "auto" and output != "softmax":
        return rescale(linears, x, background, centre=output == "centred", memory=memory)
    problems = check_explainable(net, tuple(x.shape[1:]))
    if problems:
        raise ValueError("deep SHAP would be wrong for this model: " + " ".join(problems))
    # DeepExplainer runs image and background side by side, forward and back, for each class.
    n_rows = 2 * len(x) * len(background) * k
    forward.announce_rows("deep SHAP", net, x, n_rows, passes=3.0)
    import shap

    with forward.private_randomness(seed, x.device), warnings.catch_warnings():
        # shap calls a layer of one's own unrecognized; check_explainable has looked into it
        warnings.filterwarnings("ignore", "unrecognized nn.Module")
        explainer = shap.DeepExplainer(wrapped(net, k, output), background)
        # Additivity is checked by `checked`, in the same way for every method.
        return np.asarray(explainer.shap_values(x, check_additivity=False), dtype=np.float64)


class _Clone(nn.Module):
    """Stands before a net that may work on its input in place: shap's is a leaf of the graph."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


def _gradient(net: nn.Module, x: Tensor, background: Tensor, samples: int, seed: int) -> Array:
    import shap

    with forward.private_randomness(seed, x.device), refusing_in_place():
        explainer = shap.GradientExplainer(nn.Sequential(_Clone(), net), background)
        return np.asarray(explainer.shap_values(x, nsamples=samples, rseed=seed), dtype=np.float64)


def _reshaped(found: Explanation, shape: tuple[int, ...]) -> Explanation:
    values = found.values.reshape(len(found.values), *shape, -1)
    return Explanation(**{**vars(found), "values": values})

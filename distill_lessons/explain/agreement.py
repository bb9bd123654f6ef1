"""Do two models agree: in what they predict, and in the reasons that attributions give for it?

A similarity means nothing alone: two maps of the same digits are alike whatever the models do. So
`beside_controls` sets a comparison beside others that show what high and low look like. All
intervals are 95 % intervals over *inputs*, given the models: they say how the number would change
with other images, not with other training seeds. Knows nothing about how attributions are made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from distill_lessons.claims import mean_effect
from distill_lessons.explain.arrays import Array, ArrayLike, logits, of_class
from distill_lessons.explain.similarity import by_class, cosine, same_shape, spearman, topk_overlap
from distill_lessons.settings import one_of

Explain = Callable[[nn.Module, Tensor], ArrayLike]
Side = nn.Module | ArrayLike | tuple[nn.Module, ArrayLike]

# name in the tables -> colour, marker: never colour alone
SIMILARITIES = {
    "prediction agreement": ("#000000", "s"),
    "cosine": ("#0072B2", "o"),
    "Spearman": ("#D55E00", "^"),
    "top-k overlap": ("#009E73", "D"),
}


def kl_divergence(z_a: ArrayLike, z_b: ArrayLike, *, T: float = 1.0) -> Array:
    """Return KL(p_a || p_b) of each input in nats, shape `(N,)`; 0 where the models say the same.

    Args:
        z_a: logits of the model that is taken as the truth, such as the teacher, shape `(N, K)`.
        z_b: logits of the other, the same shape.
        T: temperature > 0.
    """
    from distill_lessons import losses

    za, zb = same_shape("z_a", z_a, "z_b", z_b)
    return losses.kl_divergence(torch.from_numpy(za), torch.from_numpy(zb), T).numpy()


def compare_predictions(z_a: ArrayLike, z_b: ArrayLike, *, T: float = 1.0) -> pd.DataFrame:
    """Compare what two models predict for the same inputs.

    Args:
        z_a: logits, shape `(N, K)`, N >= 2.
        z_b: logits, the same shape.
        T: temperature of the KL.

    Returns:
        Columns `metric, value, low, high, n, chance, undefined`; rows "prediction agreement" (share
        of inputs with the same top class, Wilson's interval) and "KL(a || b)" in nats. Intervals
        are over inputs, given the two models.
    """
    za, zb = same_shape("z_a", z_a, "z_b", z_b)
    same = za.argmax(1) == zb.argmax(1)
    share, low, high = _wilson(same)
    rows = [
        {"metric": "prediction agreement", "value": share, "low": low, "high": high, "n": len(za)},
        _row("KL(a || b)", kl_divergence(za, zb, T=T)),
    ]
    return _frame(rows)


def compare_attributions(
    a: ArrayLike, b: ArrayLike, *, k: int = 10, y: ArrayLike | None = None
) -> pd.DataFrame:
    """Compare two attributions of the same inputs.

    Args:
        a: attributions, shape `(N, *input_shape, K)`, N >= 2.
        b: the same shape.
        k: features in the top-k overlap.
        y: one class per input, shape `(N,)`: compare only the explanations of that class, such as
            the predicted one. By default each input's number is the mean over all K classes.

    Returns:
        Columns `metric, value, low, high, n, chance, undefined`; rows "cosine", "Spearman" and
        "top-k overlap". `chance` is what unrelated maps would give, `undefined` the number of
        (input, class) pairs in which a map was constant, so that the definition had to decide.
        Intervals are over inputs, given the two models or explainers.
    """
    va, vb = same_shape("a", a, "b", b)
    if y is not None:
        va, vb = (of_class(v, y)[..., None] for v in (va, vb))
    flat_a, flat_b = by_class(va, vb)
    zero = (np.abs(flat_a).max(-1) == 0) | (np.abs(flat_b).max(-1) == 0)
    constant = (np.ptp(flat_a, axis=-1) == 0) | (np.ptp(flat_b, axis=-1) == 0)
    chance = k / flat_a.shape[-1]
    overlap = topk_overlap(va, vb, k=k).mean(1)
    rows = [
        _row("cosine", cosine(va, vb).mean(1), 0.0, int(zero.sum())),
        _row("Spearman", spearman(va, vb).mean(1), 0.0, int(constant.sum())),
        _row("top-k overlap", overlap, chance, int(zero.sum())),
    ]
    return _frame(rows)


def beside_controls(
    reference: Side,
    others: Mapping[str, Side],
    x: Tensor | None = None,
    *,
    explain: Explain | None = None,
    k: int = 10,
    y: ArrayLike | None = None,
    T: float = 1.0,
) -> pd.DataFrame:
    """Compare one model with several others, so that each number stands beside its controls.

    Controls that give the number for a student its meaning: the teacher itself under another
    background (as high as it gets), a second teacher, another teacher's student, and the teacher
    with random weights (as low as it gets): see `randomised`.

    Args:
        reference: the model that all others are compared with; see `others`.
        others: name -> a model, or its attributions `(N, *input_shape, K)`, or both as a pair
            `(model, attributions)`. With attributions alone, predictions are not compared.
        x: the inputs that all see, shape `(N, *input_shape)`; needed where models are given.
        explain: `explain(model, x)` makes the attributions of models given without them; without
            it only their predictions are compared.
        k: features in the top-k overlap.
        y: see `compare_attributions`.
        T: temperature of the KL.

    Returns:
        The rows of `compare_predictions` and `compare_attributions` for each other model, with a
        column `comparison` in front. Intervals are over inputs.

    Raises:
        ValueError: if there is nothing to compare, x is missing, or shapes differ.
    """
    if not others:
        raise ValueError("others is empty; name at least the comparison and one control.")
    mine = _side("reference", reference, x, explain)
    parts = []
    for name, other in others.items():
        theirs = _side(name, other, x, explain)
        found = []
        if mine[0] is not None and theirs[0] is not None:
            found.append(compare_predictions(mine[0], theirs[0], T=T))
        if mine[1] is not None and theirs[1] is not None:
            found.append(compare_attributions(mine[1], theirs[1], k=k, y=y))
        if not found:
            raise ValueError(
                f"others[{name!r}] and reference share neither models nor attributions; "
                "give both as models with explain=, or both as attributions."
            )
        parts += [table.assign(comparison=name) for table in found]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["comparison", *joined.columns.drop("comparison")]]


def draw_controls(table: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a comparison beside its controls: one row each, one mark and interval per metric.

    Args:
        table: the result of `beside_controls`. KL has no common scale with the others and is left
            to the table.
        title: a sentence that says what was found.
        ax: where to draw; by default a new figure.
    """
    names = list(dict.fromkeys(table["comparison"]))
    shown = [metric for metric in SIMILARITIES if metric in set(table["metric"])]
    if ax is None:
        _, ax = plt.subplots(figsize=(8.6, 0.62 * len(names) + 1.6), layout="constrained")
    for j, metric in enumerate(shown):
        rows = table[table["metric"] == metric]
        where = np.array([names.index(c) for c in rows["comparison"]])
        where = where + 0.18 * (j - (len(shown) - 1) / 2)  # side by side, not on top
        colour, marker = SIMILARITIES[metric]
        value, low, high = (rows[c].to_numpy() for c in ("value", "low", "high"))
        bars = np.maximum([value - low, high - value], 0)  # rounding may leave −1e-17
        ax.errorbar(
            value, where, xerr=bars, fmt=marker, color=colour, label=metric, ms=8, capsize=3
        )
    for i in range(1, len(names)):
        ax.axhline(i - 0.5, color="#dddddd", lw=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(min(0.0, ax.get_xlim()[0]), 1.03)
    ax.set_xlabel("similarity with the reference (95 % interval over inputs)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    ax.set_title(title or "A similarity is read beside its controls.", loc="left")
    return ax


def randomised(model: nn.Module, seed: int, *, layers: Iterable[str] | None = None) -> nn.Module:
    """Return a copy of a model with fresh random weights: what a model that learnt nothing shows.

    Each layer is initialised by its own `reset_parameters`, as when it was built. The copy has the
    model's mode and device; the weights depend on `seed` alone.

    Args:
        model: any model whose layers can reset themselves (torch's own can).
        seed: of the new weights.
        layers: names of the layers to reset, as in `resettable_layers`; by default all of them.

    Raises:
        ValueError: for an unknown layer, or one with weights that cannot reset itself.
    """
    twin = copy.deepcopy(model)
    modules = dict(twin.named_modules())
    known = resettable_layers(model)
    wanted = known if layers is None else [one_of("layers", name, known) for name in layers]
    # Reset on the CPU from torch's CPU generator alone, so that the weights and the state of the
    # other generators do not depend on the device.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for name in wanted:
            device = next(iter(modules[name].state_dict().values())).device
            modules[name].to("cpu")
            _reset(modules[name])()
            modules[name].to(device)
    return twin


def resettable_layers(model: nn.Module) -> list[str]:
    """Return the names of all layers that hold weights, in the order of the model.

    Raises:
        ValueError: if there is none, or one of them cannot reset itself.
    """
    names: list[str] = []
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            if _reset(module) is None:
                raise ValueError(
                    f"layer {name!r} ({type(module).__name__}) has weights but no "
                    "reset_parameters(); give it one that draws them anew."
                )
            names.append(name)
    if not names:
        raise ValueError(f"model={type(model).__name__} has no weights to randomise.")
    return names


def _reset(module: nn.Module) -> Any:
    # nn.MultiheadAttention spells it with an underscore
    return getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))


def _wilson(success: Array) -> tuple[float, float, float]:
    """Return a share with its 95 % interval by Wilson (1927): never of width zero at 0 or 1."""
    n, p, z = len(success), float(success.mean()), 1.959964
    if n < 2:
        raise ValueError(f"{n} input gives no interval over inputs; compare on at least two.")
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return p, max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _row(metric: str, values: Array, chance: float = np.nan, undefined: int = 0) -> dict[str, Any]:
    if len(values) < 2:
        raise ValueError(
            f"{len(values)} input gives no interval over inputs; compare on two or more."
        )
    effect = mean_effect(values)
    return {"metric": metric, "value": effect.value, "low": effect.low, "high": effect.high,
            "n": effect.n, "chance": chance, "undefined": undefined}  # fmt: skip


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ["metric", "value", "low", "high", "n", "chance", "undefined"]
    return pd.DataFrame([{"chance": np.nan, "undefined": 0, **row} for row in rows])[columns]


def _side(
    name: str, side: Side, x: Tensor | None, explain: Explain | None
) -> tuple[Array | None, ArrayLike | None]:
    """Return the logits and the attributions of one side, None for what is not to be had."""
    model, given = side if isinstance(side, tuple) else (side, None)
    if not isinstance(model, nn.Module):
        return None, model
    if x is None:
        raise ValueError(f"x is missing, but {name!r} is a model; give the inputs to compare on.")
    if given is None and explain is not None:
        given = explain(model, x)
    return logits(model, x), given

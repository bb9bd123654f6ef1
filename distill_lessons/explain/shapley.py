"""Exact Shapley values: the ground truth that approximate explainers are measured against.

A game gives a value to every coalition of players. Here the players are regions of an image: those
in the coalition come from the image that is explained, the others from a background image, and the
value is the model's output, averaged over the background. With R regions there are 2^R coalitions,
all of which are run, so R stays at 16 or below. Knows nothing about shap (see `shap_adapters`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons.explain import forward
from distill_lessons.explain.additive import Explanation, checked, explained, prepare, view_output
from distill_lessons.explain.arrays import Array, ArrayLike, finite
from distill_lessons.explain.groups import Groups, as_groups
from distill_lessons.settings import whole_number

MAX_REGIONS = 16
MAX_PLAYERS = 20  # of a game given by its table
PIECE = 1024  # coalitions run and weighted together


def coalitions(n_players: int) -> Array:
    """Return all coalitions, bool `(2^n, n)`: player r is in coalition s if bit r of s is set.

    Raises:
        TypeError: if `n_players` is not a whole number.
        ValueError: if there is no player, or more than 20, who have a million coalitions.

    >>> coalitions(2).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    n_players = whole_number("n_players", n_players)
    if n_players > MAX_PLAYERS:
        raise ValueError(
            f"n_players={n_players} have {2.0**n_players:.1g} coalitions, too many to list; use "
            f"at most {MAX_PLAYERS}, for example by putting features together to regions."
        )
    return np.asarray((np.arange(2**n_players)[:, None] >> np.arange(n_players)) % 2 == 1)


def shapley_matrix(n_players: int) -> Array:
    """Return the matrix that turns coalition values into Shapley values, shape `(n, 2^n)`.

    Player r gains `v(S ∪ r) − v(S)` by joining S, and the weight `|S|! (n − |S| − 1)! / n!` is the
    share of the n! orders of arrival in which exactly S came before r. So each v(S) counts
    positively for the members of S and negatively for the others.

    Source: Shapley (1953), A value for n-person games, equation 13.
    """
    inside = coalitions(n_players)  # (2^n, n)
    n = inside.shape[1]
    weight = np.array([1 / (n * math.comb(n - 1, size)) for size in range(n)])
    size = inside.sum(1, keepdims=True)
    joined = weight[np.maximum(size - 1, 0)]
    left_out = weight[np.minimum(size, n - 1)]
    return np.asarray(np.where(inside, joined, -left_out).T)


def shapley_of_game(values: ArrayLike) -> Array:
    """Return the Shapley value of each player of a game given by its table.

    Args:
        values: the value of each coalition in the order of `coalitions`, shape `(2^n, ...)`.

    Returns:
        Shape `(n, ...)`, float64. It sums to `values[-1] − values[0]`.

    Raises:
        TypeError: if `values` are not numbers.
        ValueError: if the number of values is not a power of two, 2 or more, or one is NaN.

    >>> shapley_of_game(np.array([0.0, 1.0, 2.0, 5.0]))  # together they make 2 more than alone
    array([2., 3.])
    """
    table = np.atleast_1d(finite("values", values))
    n = len(table).bit_length() - 1
    if len(table) != 2**n or n < 1:
        raise ValueError(f"values has {len(table)} rows; n players have 2^n coalitions, n >= 1.")
    return np.tensordot(shapley_matrix(n), table, axes=1)


Game = Callable[[Tensor], Tensor]


def image_game(
    model: nn.Module,
    x: Tensor,
    background: Tensor,
    regions: list[Array],
    *,
    output: str = "centred",
    memory: float = 256.0,
) -> Game:
    """Return the function that values coalitions of image regions.

    Args:
        model: returns logits, in eval mode.
        x: images to explain, shape `(N, *input_shape)`, checked.
        background: shape `(B, *input_shape)`, checked.
        regions: a partition of the features.
        output: see `exact`.
        memory: limit for temporary arrays in MiB.

    Returns:
        A function from coalitions `(S, R)`, bool, to values `(S, N, K)`, float64.
    """
    split = forward.split_linear(model, x)
    if split is None:
        return _general_game(model, x, background, regions, output, memory)
    first, rest = split
    if (
        len(regions) * len(background) * first.out_features * x.element_size()
        > memory * forward.MIB / 2
    ):
        return _general_game(model, x, background, regions, output, memory)
    # What each region adds to the first layer, from each image and from each background image.
    with torch.no_grad():
        from_x = _contributions(first, x, regions)  # (N, R, H)
        from_b = _contributions(first, background, regions).transpose(0, 1)  # (R, B, H)
    n_b, width = from_b.shape[1:]
    bias = torch.zeros_like(from_b[0, 0]) if first.bias is None else first.bias
    # The mean over the background can be taken before a linear last layer, on H numbers, not K.
    linear_end = bool(rest) and type(rest[-1]) is nn.Linear and output != "softmax"
    body, head = (rest[:-1], rest[-1:]) if linear_end else (rest, [])
    row_bytes = forward.bytes_per_row(nn.Sequential(*rest), from_b[0])
    row_bytes += width * x.element_size()  # `others`, beside the activations
    chunk = forward.rows_per_chunk(row_bytes * n_b, memory)

    def value(masks: Tensor) -> Tensor:
        made = []
        mixed = from_b.new_empty(min(chunk, len(masks)), n_b, width)  # new memory is slow memory
        with torch.no_grad():
            for part in masks.split(chunk):
                inside = part.to(from_b.dtype)  # (S, R)
                others = ((1 - inside) @ from_b.flatten(1)).view(-1, n_b, width)  # (S, B, H)
                each = []
                for contribution in from_x:  # (R, H); one image at a time, to hold no (N, S, H)
                    h_x = inside @ contribution + bias  # (S, H)
                    h = torch.add(others, h_x[:, None], out=mixed[: len(part)])  # (S, B, H)
                    h = forward.run_layers(body, h.view(-1, width))
                    if output == "softmax":
                        h = h.T.softmax(0).T  # much faster than over short rows
                    mean = h.reshape(len(part), n_b, -1).sum(1) / n_b  # (S, H') or (S, K)
                    each.append(forward.run_layers(head, mean))
                made.append(torch.stack(each, 1))  # (S, N, K)
        return view_output(torch.cat(made), output)

    return value


def _general_game(
    model: nn.Module,
    x: Tensor,
    background: Tensor,
    regions: list[Array],
    output: str,
    memory: float,
) -> Game:
    label = torch.empty(x[0].numel(), dtype=torch.long, device=x.device)
    for r, region in enumerate(regions):
        label[torch.as_tensor(region, device=x.device)] = r
    chunk = forward.rows_per_chunk(forward.bytes_per_row(model, x) * len(background), memory)
    flat = background.flatten(1)

    def value(masks: Tensor) -> Tensor:
        made = []
        with torch.no_grad():
            for part in masks.split(chunk):
                inside, means = part[:, None, label], []  # (S, 1, F)
                for image in x.flatten(1):
                    mixed = torch.where(inside, image, flat)  # (S, B, F)
                    z = model(mixed.view(-1, *x.shape[1:]))
                    z = z.softmax(1) if output == "softmax" else z
                    means.append(z.view(len(part), len(flat), -1).mean(1))
                made.append(torch.stack(means, 1))  # (S, N, K)
        return view_output(torch.cat(made), output)

    return value


def _contributions(first: nn.Linear, x: Tensor, regions: list[Array]) -> Tensor:
    """Return what each region adds to the first layer, shape `(N, R, H)`."""
    flat = x.flatten(1)
    parts = [torch.as_tensor(region, device=x.device) for region in regions]
    return torch.stack([flat[:, part] @ first.weight[:, part].T for part in parts], 1)


def exact(
    model: nn.Module,
    x: Tensor,
    background: Tensor,
    regions: Groups,
    *,
    output: str = "centred",
    memory: float = 256.0,
) -> Explanation:
    """Compute exact interventional Shapley values by running every coalition of regions.

    Cost: `N · 2^R · B` rows through the model, which is what `rows` counts. Fewer are run where a
    region of an image equals that of a background image: it is then a null player of their game,
    and half of the coalitions suffice. A model that begins with a linear layer skips that layer.

    Args:
        model: returns logits `(N, K)`; run in eval mode on a copy.
        x: images to explain, shape `(N, *input_shape)`.
        background: what a missing region is replaced by, shape `(B, *input_shape)`.
        regions: a partition of the features into R <= 16 groups, or a label map (see `groups`).
        output: `"centred"` explains `z_k − mean_j z_j`, all that softmax sees; `"logits"` the raw
            logits; `"softmax"` the probabilities.
        memory: limit for temporary arrays in MiB.

    Returns:
        Values of shape `(N, R, K)`, with the measured additivity gap.

    Raises:
        ValueError: for more than 16 regions, regions that are not a partition, a background that
            does not fit, or a gap that shows that the model's rows depend on one another.

    Source: Lundberg & Lee (2017), A unified approach to interpreting model predictions, section 2;
        interventional value function: Janzing et al. (2020), Feature relevance quantification.
    """
    start = time.perf_counter()
    x, background, net = prepare(model, x, background, output, memory)
    made = as_groups(regions, tuple(x.shape[1:]), partition=True)
    n_regions = len(made)
    if n_regions > MAX_REGIONS:
        raise ValueError(
            f"regions has {n_regions} regions: 2^{n_regions} coalitions are too many to run. "
            f"Exact values take at most {MAX_REGIONS}; use larger regions, or method='permutation'."
        )
    rows = len(x) * len(background) * 2**n_regions
    base, outputs = explained(net, x, background, output, memory)
    values = torch.zeros(len(x), n_regions, len(base), dtype=torch.float64)
    pairs = [list(_pairs_alike(image, background, made)) for image in x]
    todo = sum(len(same) * 2 ** len(players) for part in pairs for players, same in part)
    done, told = 0, False
    for found, image, part in zip(values, x.split(1), pairs, strict=True):
        for players, same in part:
            others = background[same]
            game = image_game(net, image, others, made, output=output, memory=memory)
            masks = torch.zeros(2 ** len(players), n_regions, dtype=torch.bool)
            masks[:, players] = torch.from_numpy(coalitions(len(players)))
            weights = torch.from_numpy(shapley_matrix(len(players)))
            # Values are weighted piece by piece: the table of all coalitions is never held.
            for mask, weight in zip(masks.split(PIECE), weights.split(PIECE, dim=1), strict=True):
                worth = game(mask.to(x.device))[:, 0].cpu().double()  # (S, K)
                found[players] += weight @ worth * (len(same) / len(background))
                done += len(mask) * len(same)
                spent = time.perf_counter() - start
                if not told and spent > 0.2:
                    told = True
                    forward.announce("exact Shapley values", todo, spent * todo / done)
    return checked(values.numpy(), base, outputs, "exact", rows, start)


def _pairs_alike(
    image: Tensor, background: Tensor, regions: list[Array]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the regions that differ, and the background images that differ from `image` in these.

    A region that is the same in both is a null player of their game: its value is 0, and without it
    the others keep theirs. So half of the coalitions need not be run for each such region. Where
    the margins of all images are blank, that is most of them.
    """
    unlike = (image != background).flatten(1)  # (B, F)
    parts = (torch.as_tensor(region, device=image.device) for region in regions)
    differs = torch.stack([unlike[:, part].any(1) for part in parts], 1).cpu()  # (B, R)
    patterns, member = differs.unique(dim=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        if pattern.any():
            yield pattern.nonzero()[:, 0], (member == p).nonzero()[:, 0].to(image.device)

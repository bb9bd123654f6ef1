"""Shapley values from samples: kernel SHAP and orders of arrival, for any model and any groups.

Both play the game of `shapley.image_game`, so that what they find compares with exact values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons.explain import forward
from distill_lessons.explain.arrays import Array
from distill_lessons.explain.shapley import Game, image_game

TableGame = Callable[[Array], Array]


def played(
    net: nn.Module,
    x: Tensor,
    background: Tensor,
    groups: list[Array],
    solve: Callable[[TableGame, int], Array],
    k: int,
    output: str,
    memory: float,
) -> tuple[Array, int]:
    """Let `solve` explain each image's game; return values `(N, R, K)` and the rows that it took.

    It sees a game of tables: rows of players, 1 for who is in. The real background is averaged
    inside the game, so no masker can leave out rows.
    """
    values, rows = np.zeros((len(x), len(groups), k)), 0
    for i in range(len(x)):
        # Players that equal the whole background change nothing; leaving them out saves samples.
        differs = (x[i] != background).flatten(1).any(0).cpu().numpy()
        active = [r for r, group in enumerate(groups) if differs[group].any()]
        if not active:
            continue
        game = image_game(net, x[i : i + 1], background, groups, output=output, memory=memory)

        def play(table: Array, game: Game = game, active: list[int] = active) -> Array:
            nonlocal rows
            rows += len(table) * len(background)
            masks = np.ones((len(table), len(groups)), dtype=bool)
            masks[:, active] = np.asarray(table) > 0.5
            values = game(torch.from_numpy(masks).to(x.device))
            return np.asarray(values[:, 0].cpu().numpy())

        values[i, active] = solve(play, len(active))
    return values, rows


def kernel(game: TableGame, n: int, *, samples: int, l1_reg: float | str, seed: int) -> Array:
    """Solve a game of n players by kernel SHAP; shap explains "all in" before "all out"."""
    import shap

    with forward.private_randomness(seed):
        explainer = shap.KernelExplainer(game, np.zeros((1, n)))
        found = explainer.shap_values(np.ones((1, n)), nsamples=samples, l1_reg=l1_reg, silent=True)
    return np.asarray(found[0])


def permutation(game: TableGame, n: int, *, rounds: int, seed: int) -> Array:
    """Sample orders of arrival in pairs: players join in an order, then leave in the same one.

    Leaving first is arriving last, so a round is an order and its reverse, as in shap's explainer;
    that one compiles itself in every process, for longer than a lesson asks it.
    """
    dice = np.random.default_rng(seed)
    step = np.arange(2 * n + 1)[:, None]
    gains = []
    for _ in range(rounds):
        rank = dice.permutation(n)  # the place of each player in this order
        values = game((rank < step) & (rank >= step - n))  # (2n + 1, K), from nobody to nobody
        moved = np.diff(values, axis=0)
        gains.append((moved[rank] - moved[n + rank]) / 2)
    return np.asarray(np.mean(gains, axis=0))

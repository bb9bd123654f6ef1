"""What pretraining looks at."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = (
        torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 5.0]]]),
        torch.tensor([[1, 0, 1]]),
        torch.tensor([[True, False, False]]),
    )
    cases = [Case("one phrase, three places, two tokens; the first is hidden", by_hand)]
    for b, longest, tokens in ((3, 4, 5), (4, 6, 3)):
        rng = dice(seed, b)
        z = 2 * torch.randn(b, longest, tokens, generator=rng)
        x = torch.randint(tokens, (b, longest), generator=rng)
        # Different numbers of hidden tokens, so that a mean of the phrases' means is another.
        hidden = torch.arange(longest) < 1 + torch.arange(b)[:, None]
        hidden = hidden[:, torch.randperm(longest, generator=rng)]
        cases.append(Case(f"{b} phrases, {longest} places, {tokens} tokens", (z, x, hidden)))
    return cases


exercise = Exercise(
    title="What pretraining looks at",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=6,
    hints=(
        "Three steps: the log probabilities of all tokens at every place, of these the true "
        "token's, of those the hidden places'.",
        "`z.log_softmax(dim=-1)` is the first. `.gather` picks one number along an axis; its index "
        "needs as many axes as z, as `x[:, :, None]` has.",
        "`something[hidden]` keeps the hidden places of all phrases in one row.",
    ),
    cases=_answers,
)

# ==== Judging =====================================================================================

from typing import Any

import numpy as np
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _each(z: Tensor, x: Tensor) -> Tensor:
    return -torch.log_softmax(z, 2).gather(2, x.unsqueeze(2)).squeeze(2)


judging = Judging(
    reference=lambda z, x, hidden: (_each(z, x) * hidden).sum() / hidden.sum(),
    mistakes=(
        Mistake(
            "every place",
            lambda z, x, hidden: _each(z, x).mean(),
            "You take the mean over all places. What was not hidden can be read off.",
        ),
        Mistake(
            "what was not hidden",
            lambda z, x, hidden: _each(z, x)[~hidden].mean(),
            "These are the places that were *not* hidden.",
        ),
        Mistake(
            "over all places",
            lambda z, x, hidden: (_each(z, x) * hidden).mean(),
            "You divide by the number of all places. Divide by that of the hidden ones.",
        ),
        Mistake(
            "a sum",
            lambda z, x, hidden: _each(z, x)[hidden].sum(),
            "This is the sum. Take the mean of the hidden places.",
        ),
        Mistake(
            "phrase by phrase",
            lambda z, x, hidden: ((_each(z, x) * hidden).sum(1) / hidden.sum(1)).mean(),
            "This is the mean of the phrases' means: a token that was hidden alone counts for more "
            "than one of three.",
        ),
        Mistake(
            "sign",
            lambda z, x, hidden: -_each(z, x)[hidden].mean(),
            "This is the mean log probability. A loss is minus that.",
        ),
        Mistake(
            "no softmax",
            lambda z, x, hidden: -z.gather(2, x.unsqueeze(2)).squeeze(2)[hidden].mean(),
            "These are logits. The loss takes the logarithm of their softmax.",
        ),
        Mistake(
            "over the wrong axis",
            lambda z, x, hidden: (
                -torch.log_softmax(z, 1).gather(2, x.unsqueeze(2)).squeeze(2)[hidden].mean()
            ),
            "Your softmax runs over the places. The tokens of one place compete with each other.",
        ),
        Mistake("zero", lambda z, x, hidden: torch.zeros(()), "This is zero."),
    ),
)

# ==== Solution ====================================================================================


# The log probability of the true token, at the hidden places alone.
def hidden_loss(z, x, hidden):
    log_p = z.log_softmax(dim=-1).gather(2, x[:, :, None])[:, :, 0]
    return -log_p[hidden].mean()


def by_cross_entropy(z: Any, x: Any, hidden: Any) -> Any:
    return torch.nn.functional.cross_entropy(z[hidden], x[hidden])


def in_numpy(z: Any, x: Any, hidden: Any) -> Any:
    z, x, hidden = z.double().numpy(), x.numpy(), hidden.numpy()
    losses = []
    for b, place in zip(*np.nonzero(hidden)):
        row = z[b, place]
        losses.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[x[b, place]])
    return float(np.mean(losses))


other_ways = [by_cross_entropy, in_numpy]

"""A student that one can read: letter groups, counted, with a weight each for every language.

The net is `models.mlp` without hidden units. What is here turns phrases into counts and weights
into shares of letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_numbers
from distill_lessons.text.names import checked, clean

LETTERS = (1, 2, 3)  # in a group


def grams(text: str) -> Iterator[tuple[str, int]]:
    """Yield every group of one to three signs of a phrase, and where it begins.

    A space stands before the phrase and after it, so that a group says whether it begins or ends a
    word; `start` counts from that space. A space by itself is no group.

    >>> [group for group, start in grams("ja")]
    ['j', 'a', ' j', 'ja', 'a ', ' ja', 'ja ']
    """
    padded = f" {clean(text)} "
    for n in LETTERS:
        for start in range(len(padded) - n + 1):
            if (group := padded[start : start + n]).strip():
                yield group, start


def most_frequent(texts: Sequence[str], size: int) -> tuple[str, ...]:
    """Return the groups that stand in the most phrases, the most frequent first.

    Args:
        texts: phrases.
        size: how many groups, at most.

    Raises:
        TypeError: if `texts` are not phrases.
        ValueError: if one holds no letter, or `size` is not positive.
    """
    size = whole_number("size", size)
    texts = checked(texts)
    found = Counter(group for text in texts for group in {group for group, _ in grams(text)})
    return tuple(sorted(found, key=lambda group: (-found[group], group))[:size])


def counts(texts: Sequence[str], groups: Sequence[str]) -> Tensor:
    """Count the groups in every phrase.

    Args:
        texts: N phrases.
        groups: F groups, from `most_frequent`.

    Returns:
        How often each stands in each phrase, float32, shape ``(N, F)``.

    Raises:
        TypeError: if `texts` are not phrases.
        ValueError: if a phrase holds no letter, or a group is there twice.

    >>> counts(["anna", "nein"], ["n", "an", "in "]).tolist()
    [[2.0, 1.0, 0.0], [2.0, 0.0, 1.0]]
    """
    texts = checked(texts)
    index = {group: column for column, group in enumerate(groups)}
    if isinstance(groups, str) or not index or len(index) < len(groups):
        raise ValueError("groups must be a list of groups, each once; most_frequent makes one.")
    places = [
        row * len(index) + index[group]
        for row, text in enumerate(texts)
        for group, _ in grams(text)
        if group in index
    ]
    size = len(texts) * len(index)
    found = torch.bincount(torch.tensor(places, dtype=torch.int64), minlength=size)
    return found.reshape(len(texts), len(index)).float()


def letter_shares(text: str, weights: Mapping[str, float]) -> list[float]:
    """Return the Shapley value of every sign of a phrase in a sum of weights of its groups.

    The game: a group counts if all of its letters are still there. Each occurrence of a group is a
    game of its own in which only all of its letters together win anything, so that they share its
    weight evenly. Spaces are always there and get nothing.

    Args:
        text: a phrase.
        weights: of the groups; one that is missing weighs nothing.

    Returns:
        A number for every sign of the cleaned phrase. They sum to the phrase's logit without bias.

    Source: Shapley (1953), the unanimity games of the proof; groups as in lesson 06.

    >>> letter_shares("ja", {"j": 1.0, "ja": 4.0, "a ": 6.0})
    [3.0, 8.0]
    """
    cleaned = clean(text)
    shares = [0.0] * len(cleaned)
    for group, start in grams(text):
        letters = [i for i, sign in enumerate(group, start - 1) if sign != " "]
        for place in letters:
            shares[place] += float(weights.get(group, 0.0)) / len(letters)
    return shares


def named_weights(net_weight: Tensor, groups: Sequence[str], k: int) -> dict[str, float]:
    """Return the weights of one class of a linear net by group, centred over the classes.

    Args:
        net_weight: of the linear layer, ``(K, F)``.
        groups: F groups.
        k: the class.

    Raises:
        ValueError: if the weights are not of these groups, or there is no class `k`.
    """
    check_numbers("net_weight", net_weight)
    if net_weight.ndim != 2 or net_weight.shape[1] != len(groups):
        raise ValueError(
            f"net_weight has shape {tuple(net_weight.shape)} for {len(groups)} groups; give (K, F)."
        )
    k = whole_number("k", k, least=0)
    if k >= len(net_weight):
        raise ValueError(f"k={k} must be a class, from 0 to {len(net_weight) - 1}.")
    centred = net_weight[k] - net_weight.mean(0)
    return dict(zip(groups, centred.tolist(), strict=True))

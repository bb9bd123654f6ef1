"""Lesson 12 in small: what crosses from letter counts to an encoder, and the controls."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import data, models, text
from distill_lessons.claims import Claim, mean_effect
from distill_lessons.fast import repeats, stacking
from distill_lessons.text import grams

R, K, F, FEW = 4, 6, 400, 30


@functools.cache
def drawn() -> tuple[text.Corpus, repeats.Repeats, data.Split]:
    corpus = text.load(["de", "nl", "fi", "da", "pl", "it"], size=500)
    draws = repeats.draw(corpus.data, lambda s: encoder(corpus, s), R, steps=1, spare=1500)
    counts = grams.counts(corpus.texts, grams.most_frequent(corpus.texts, F))
    return corpus, draws, data.Split(counts, draws.pool.y)


def encoder(corpus: text.Corpus, seed: int) -> nn.Module:
    size = len(corpus.vocabulary)
    return text.encoder(size, corpus.longest, K, width=16, layers=1, heads=2, seed=seed)


def taught(
    build: Callable[[int], nn.Module], seen: data.Split, z: Tensor | None, rows: Tensor, steps: int
) -> Tensor:
    """Return what nets say of all phrases that learned from a table, or else from labels."""
    draws = drawn()[1]
    nets = [build(100 + seed) for seed in draws.seeds]
    how = {} if z is None else {"T": 4.0, "alpha": 0.0}
    stacking.fit_many(
        nets, seen, z, rows=rows, seeds=draws.seeds, steps=steps, lr=1e-2, **how
    )  # fmt: skip
    return stacking.predict_many(nets, seen.x)


@functools.cache
def arms() -> dict[str, np.ndarray]:
    """Return test accuracies of all that the claims are about, each (R,)."""
    corpus, draws, counted = drawn()
    few, pool = draws.labelled(FEW), draws.pool
    small = functools.partial(encoder, corpus)
    alone = taught(small, pool, None, few, 60)
    linear = taught(lambda s: models.mlp((1, 1, F), K, (), seed=s), counted, None, few, 60)
    said = {
        "alone": alone,
        "linear": linear,
        "of linear": taught(small, pool, linear, draws.spare, 150),
        "of its own kind": taught(small, pool, alone, draws.spare, 150),
        "of linear, on the few": taught(small, pool, linear, few, 60),
        "linear of bad": taught(
            lambda s: models.mlp((1, 1, F), K, (), seed=s), counted, alone, draws.spare, 150
        ),
    }
    return {
        name: (z.argmax(2) == pool.y).float().gather(1, draws.test).mean(1).numpy()
        for name, z in said.items()
    }


def wins(first: str, second: str, by: float = 0.0) -> bool:
    effect = mean_effect(arms()[first] - arms()[second], unit="points", per="repeats")
    return Claim("One arm wins.", effect, by, None).verdict == "holds"


def test_letter_counts_lift_an_encoder_that_knows_the_same_labels() -> None:
    assert wins("of linear", "alone", by=0.05)


def test_a_teacher_of_its_own_kind_does_not() -> None:
    assert not wins("of its own kind", "alone", by=0.05)
    assert wins("of linear", "of its own kind")


def test_without_further_phrases_nothing_crosses() -> None:
    assert not wins("of linear, on the few", "alone", by=0.05)


def test_a_bad_teacher_harms_the_better_student() -> None:
    assert wins("linear", "linear of bad")


def test_the_pool_and_the_texts_stand_in_one_order() -> None:
    corpus, draws, counted = drawn()
    x, _ = corpus.vocabulary.encode(corpus.texts, corpus.longest)
    assert torch.equal(x, draws.pool.x)
    assert len(counted) == len(draws.pool)

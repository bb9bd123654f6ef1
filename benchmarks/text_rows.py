"""Phrases from their letters to logits: students of lesson 12, each beside its teacher."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.inputs import Setup
from benchmarks.timing import Array, Comparison
from distill_lessons import evaluation, text
from distill_lessons.text import grams

GROUPS = 1_200  # as many as lesson 12 counts
STUDENTS = {
    "small": "small transformer, one layer of 16",
    "gru": "GRU of 32",
    "letters": f"linear net of {GROUPS:,} letter counts",
}
TEACHER = "the teacher, two layers of 32"


@cache
def _corpus() -> text.Corpus:
    return text.load(size=1000, longest=8)


def _logits(net: nn.Module, *, x: Tensor) -> Array:
    return np.asarray(evaluation.predict(net, x).cpu())


def student(setup: Setup, name: str) -> Comparison:
    """Compare a student with the teacher: reading the phrases and answering them, both from text.

    The proof answers the student's phrases once more, one by one.
    """
    corpus = _corpus()
    phrases, K = corpus.texts[: setup.sizes.phrases], corpus.data.n_classes
    tokens, longest = len(corpus.vocabulary), corpus.longest
    groups = grams.most_frequent(corpus.texts, GROUPS)

    def encoder(width: int, layers: int) -> nn.Module:
        return text.encoder(tokens, longest, K, width=width, layers=layers, heads=2, seed=0)

    def read(some: tuple[str, ...]) -> Tensor:
        return corpus.vocabulary.encode(some, longest)[0].to(setup.device)

    def counted(some: tuple[str, ...]) -> Tensor:
        return grams.counts(some, groups).to(setup.device)

    nets: dict[str, tuple[Callable[[tuple[str, ...]], Tensor], nn.Module]] = {
        "teacher": (read, encoder(32, 2)),
        "small": (read, encoder(16, 1)),
        "gru": (read, text.gru(tokens, K, width=32, seed=0)),
        "letters": (counted, nn.Linear(GROUPS, K)),
    }
    nets = {who: (reads, net.to(setup.device).eval()) for who, (reads, net) in nets.items()}

    def answers(who: str) -> Array:
        reads, net = nets[who]
        return _logits(net, x=reads(phrases))

    def one_by_one() -> Array:
        reads, net = nets[name]
        with torch.no_grad():
            return np.concatenate([np.asarray(net(reads((one,))).cpu()) for one in phrases])

    n_tokens = int(corpus.vocabulary.encode(phrases, longest)[1].sum())
    return Comparison(
        ours=lambda repeat: answers(name),
        theirs=lambda repeat: answers("teacher"),
        tolerance=1e-4,
        unit="token",
        ours_units=n_tokens,
        theirs_units=n_tokens,
        proof=lambda: (answers(name), one_by_one()),
        note=f"{len(phrases):,} phrases of {n_tokens:,} tokens, from their letters on; equality "
        "with the student asked one phrase at a time.",
    )

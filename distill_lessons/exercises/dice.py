"""Random questions: the dice that an exercise throws for its cases."""

from __future__ import annotations

import hashlib

import torch

from distill_lessons import seeds


def dice(seed: int, stream: int = 0) -> torch.Generator:
    """Return dice that a seed decides.

    Args:
        seed: of the questions.
        stream: for several dice of one seed that have nothing to do with each other.
    """
    return seeds.generator(mixed(seed, stream))


def mixed(seed: int, stream: int = 0) -> int:
    """Return a number that a seed decides and no arithmetic leads back from.

    A case that held, say, ``seed % 10`` could be met by an answer that looks at something else of
    the seed. So whatever a case draws is drawn from this number, which NumPy takes as a seed too.

    >>> mixed(0), mixed(1), mixed(0, 1)
    (3940750165, 3403798040, 4269095081)
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:4], "little")

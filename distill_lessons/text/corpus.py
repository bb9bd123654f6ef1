"""The phrases as a data set for nets: tokens, labels, three splits, and the texts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distill_lessons import tensors
from distill_lessons.data import SHARES, Data, Split
from distill_lessons.settings import whole_number
from distill_lessons.text import pieces
from distill_lessons.text.names import FAMILIES, LANGUAGES, phrases


@dataclass(frozen=True)
class Corpus:
    """Phrases and what nets see of them.

    Attributes:
        data: tokens ``(N, longest)`` and labels, in three splits. Without a mask: what fills up is
            `pieces.PAD` and nothing else is, so that the nets of this package find the mask
            themselves, and may be trained side by side.
        texts: all phrases, in the order of train, valid and test one after the other, which is
            that of the pool of `fast.repeats`.
        vocabulary: of the tokens.
    """

    data: Data
    texts: tuple[str, ...]
    vocabulary: pieces.Vocabulary

    @property
    def longest(self) -> int:
        """The number of tokens of the longest phrase."""
        return self.data.train.x.shape[1]


def load(
    languages: Sequence[str] = LANGUAGES, *, size: int = 1000, longest: int = 10, seed: int = 0
) -> Corpus:
    """Load the phrases of some languages, learn a vocabulary and split them.

    Args:
        languages: codes that babel knows.
        size: letter groups in the vocabulary, see `pieces.learn`.
        longest: phrases of more tokens are left out.
        seed: decides which phrase goes into which split.

    Returns:
        The corpus, on the CPU. The vocabulary was learned from all phrases, without their labels.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if babel does not know a language, a number is not positive, or a language has
            too few phrases for three splits.
    """
    longest = whole_number("longest", longest)
    texts, labels = phrases(languages)
    vocabulary = pieces.learn(texts, size)
    kept = [i for i, text in enumerate(texts) if len(vocabulary.tokens(text)) <= longest]
    missing = set(range(len(languages))) - {labels[i] for i in kept}
    if missing:
        codes = [languages[k] for k in sorted(missing)]
        raise ValueError(f"longest={longest} leaves no phrase of {codes}; allow more tokens.")
    x, _ = vocabulary.encode([texts[i] for i in kept], longest)
    y = torch.tensor([labels[i] for i in kept])
    parts = tensors.split_indices(y, SHARES, seed=seed, classes=list(languages))
    train, valid, test = (Split(x[part], y[part]) for part in parts)
    ordered = tuple(texts[kept[i]] for i in torch.cat(parts).tolist())
    return Corpus(Data("phrases", train, valid, test, tuple(languages)), ordered, vocabulary)


def same_family(languages: Sequence[str] = LANGUAGES) -> torch.Tensor:
    """Return which pairs of different languages are of one family, booleans ``(K, K)``.

    Raises:
        ValueError: if a language is in none of `FAMILIES`.

    >>> same_family(["da", "sv", "fi"]).int().tolist()
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    homes = {code: name for name, codes in FAMILIES.items() for code in codes}
    if strange := [code for code in languages if code not in homes]:
        raise ValueError(
            f"languages holds {strange[0]!r}, which is in none of the families; give others."
        )
    of = [homes[code] for code in languages]
    pairs = [[a == b and i != j for j, b in enumerate(of)] for i, a in enumerate(of)]
    return torch.tensor(pairs)

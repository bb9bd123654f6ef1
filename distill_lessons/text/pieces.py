"""From a phrase to tokens: a vocabulary of letter groups, and the longest match first.

That is how BERT's tokenizer reads, too. How its vocabulary is found is another matter, and shorter
here: the letter groups that would save the most tokens if they were the only ones.

Source: Wu and others (2016), arXiv:1609.08144, section 4.1; the longest match first as in Devlin
and others (2019), arXiv:1810.04805.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type
from distill_lessons.text.names import checked, clean

# The first tokens of every vocabulary: what fills up, a word with an unknown letter, a hidden one.
SPECIAL = ("[PAD]", "[UNK]", "[MASK]")
PAD, UNKNOWN, HIDDEN = range(3)
LONGEST_PIECE = 5  # letters


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that there are.

    Attributes:
        pieces: `SPECIAL`, then letter groups. One inside a word begins with ``##``.
    """

    pieces: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse pieces that are no vocabulary.

        Raises:
            TypeError: if a piece is not a text.
            ValueError: if the special tokens do not come first, or a piece is there twice.
        """
        check_type("pieces", self.pieces, tuple, "a tuple of letter groups; `learn` makes one")
        for piece in self.pieces:
            check_type("pieces", piece, str, "a tuple of letter groups; `learn` makes one")
        if self.pieces[: len(SPECIAL)] != SPECIAL:
            raise ValueError(f"pieces must begin with {SPECIAL}; `learn` puts them there.")
        if twice := [piece for piece, n in Counter(self.pieces).items() if n > 1]:
            raise ValueError(f"pieces holds {twice[0]!r} twice; give each once.")

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.pieces)

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each piece."""
        return {piece: number for number, piece in enumerate(self.pieces)}

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a phrase: word by word, the longest piece that fits first.

        >>> words = Vocabulary((*SPECIAL, "a", "##n", "##na", "##s"))
        >>> [words.pieces[token] for token in words.tokens("Anna ans by")]
        ['a', '##n', '##na', 'a', '##n', '##s', '[UNK]']
        """
        return [token for word in clean(text).split() for token in self._of_word(word)]

    def _of_word(self, word: str) -> list[int]:
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(min(len(word), start + LONGEST_PIECE), start, -1):
                if (token := self.index.get(mark + word[start:end])) is not None:
                    break
            else:
                return [UNKNOWN]  # a letter that the vocabulary has not: the word is given up
            found.append(token)
            start = end
        return found

    def encode(self, texts: Iterable[str], longest: int) -> tuple[Tensor, Tensor]:
        """Return phrases as a table of tokens, filled up with `PAD`, and which of them count.

        Args:
            texts: N phrases.
            longest: tokens of the longest phrase, the columns of the table.

        Returns:
            Tokens ``(N, longest)``, int64, and a mask ``(N, longest)``, True where a token counts.

        Raises:
            TypeError: if `texts` are not phrases.
            ValueError: if a phrase has more tokens than `longest`, or no letter.
        """
        longest = whole_number("longest", longest)
        texts = checked(texts)
        x = torch.full((len(texts), longest), PAD)
        for row, text in enumerate(texts):
            tokens = self.tokens(text)
            if len(tokens) > longest:
                raise ValueError(
                    f"texts[{row}]={text!r} has {len(tokens)} tokens, more than longest={longest}; "
                    "cut it, or leave it out."
                )
            x[row, : len(tokens)] = torch.tensor(tokens)
        return x, x != PAD


def learn(texts: Iterable[str], size: int) -> Vocabulary:
    """Make a vocabulary of all letters of some phrases and their most useful letter groups.

    A group of n letters that occurs k times saves k (n - 1) tokens. No label is looked at.

    Args:
        texts: phrases.
        size: how many groups of two or more letters to take, at most.

    Raises:
        TypeError: if `texts` are not phrases.
        ValueError: if one holds no letter, or `size` is not positive.

    >>> learn(["banana", "ban"], 2).pieces[3:]
    ('##a', '##b', '##n', 'a', 'b', 'n', '##ana', '##anana')
    """
    size = whole_number("size", size)
    words = Counter(word for text in checked(texts) for word in clean(text).split())
    saved: Counter[str] = Counter()
    for word, count in words.items():
        for start in range(len(word)):
            mark = "##" if start else ""
            for end in range(start + 2, min(len(word), start + LONGEST_PIECE) + 1):
                saved[mark + word[start:end]] += count * (end - start - 1)
    letters = sorted({mark + letter for word in words for letter in word for mark in ("", "##")})
    groups = sorted(saved, key=lambda group: (-saved[group], group))[:size]
    return Vocabulary((*SPECIAL, *letters, *groups))

"""An encoder as BERT has it, written out once, and a GRU beside it: both take tokens.

A batch is int64 tokens ``(B, L)``, filled up with `PAD` to one length, and a mask ``(B, L)`` that
is True where a token counts. Without a mask every token but `PAD` counts, so that nets that take x
alone (`fast.stacking.fit_many`) see the same.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons.models import seeded
from distill_lessons.settings import whole_number
from distill_lessons.text.pieces import PAD


class Attention(nn.Module):
    """Every place asks all places that count what they have to say, and takes a weighted mean.

    Source: Vaswani and others (2017), arXiv:1706.03762, section 3.2.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Make attention with `heads` heads of ``width / heads`` numbers each."""
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def weights(self, h: Tensor, mask: Tensor) -> Tensor:
        """Return how much each place listens to each, ``(B, heads, L, L)``; each row sums to 1.

        Args:
            h: what stands at each place, ``(B, L, width)``.
            mask: which places count, ``(B, L)``.
        """
        q, k = (self._apart(ask(h)) for ask in (self.query, self.key))  # (B, heads, L, width/heads)
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        # Not -inf: a phrase of which nothing counts would have no softmax.
        least = torch.finfo(scores.dtype).min
        shares: Tensor = scores.masked_fill(~mask[:, None, None, :], least).softmax(-1)
        return shares

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Return what each place has heard, ``(B, L, width)``."""
        heard = self.weights(h, mask) @ self._apart(self.value(h))
        return cast(Tensor, self.out(heard.transpose(1, 2).flatten(2)))

    def _apart(self, h: Tensor) -> Tensor:
        parts: Tensor = h.unflatten(2, (self.heads, -1)).transpose(1, 2)  # torch names no type
        return parts


class Layer(nn.Module):
    """One layer: listen, then think; each adds to what stood there before and is normalised."""

    def __init__(self, width: int, heads: int) -> None:
        """Make a layer whose inner net is twice as wide."""
        super().__init__()
        self.attention = Attention(width, heads)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norm_heard, self.norm_thought = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Return the places after this layer, ``(B, L, width)``."""
        h = self.norm_heard(h + self.attention(h, mask))
        return cast(Tensor, self.norm_thought(h + self.outer(F.gelu(self.inner(h)))))


class Encoder(nn.Module):
    """Tokens and their places become vectors, layers mix them, their mean is classified.

    Source: Devlin and others (2019), arXiv:1810.04805; the mean in place of the first token's
    vector as in Reimers and Gurevych (2019), arXiv:1908.10084.
    """

    def __init__(
        self, tokens: int, longest: int, n_classes: int, width: int, layers: int, heads: int
    ) -> None:
        """Make an encoder; see `encoder`."""
        super().__init__()
        self.tokens = nn.Embedding(tokens, width)
        self.places = nn.Embedding(longest, width)
        for table in (self.tokens, self.places):
            nn.init.normal_(table.weight, std=0.02)  # BERT's: small tables move fast under Adam
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.head = nn.Linear(width, n_classes)

    def hidden(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return a vector for each place, ``(B, L, width)``."""
        if x.shape[1] > self.places.num_embeddings:
            raise ValueError(
                f"x holds phrases of {x.shape[1]} tokens, but the encoder's table of places has "
                f"{self.places.num_embeddings}; cut them, or build it with a larger `longest`."
            )
        h = self.norm(self.tokens(x) + self.places.weight[: x.shape[1]])
        for layer in self.layers:
            h = layer(h, mask)
        return cast(Tensor, h)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits, ``(B, K)``, of tokens ``(B, L)``."""
        mask = counted(x, mask)
        return cast(Tensor, self.head(mean_of(self.hidden(x, mask), mask)))


class Recurrent(nn.Module):
    """A GRU reads the tokens one after the other; the mean of its states is classified.

    Written out, since `torch.func.vmap` cannot train torch's own side by side. The three parts of
    its layers are reset, update and new, in torch's order.

    Source: Cho and others (2014), arXiv:1406.1078.
    """

    def __init__(self, tokens: int, n_classes: int, width: int) -> None:
        """Make a GRU; see `gru`."""
        super().__init__()
        self.tokens = nn.Embedding(tokens, width)
        self.read, self.recall = nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)
        self.head = nn.Linear(width, n_classes)

    def hidden(self, x: Tensor) -> Tensor:
        """Return the state after each token, ``(B, L, width)``."""
        seen = self.read(self.tokens(x))
        h = torch.zeros_like(seen[:, 0, : seen.shape[2] // 3])
        states = []
        for step in seen.unbind(1):
            (r, u, n), (r_old, u_old, n_old) = step.chunk(3, -1), self.recall(h).chunk(3, -1)
            update = (u + u_old).sigmoid()
            new = (n + (r + r_old).sigmoid() * n_old).tanh()
            h = torch.lerp(new, h, update)
            states.append(h)
        return torch.stack(states, dim=1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits, ``(B, K)``, of tokens ``(B, L)``."""
        # Padding stands last: no state that counts has read it.
        return cast(Tensor, self.head(mean_of(self.hidden(x), counted(x, mask))))


def counted(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return which places count, ``(B, L)``: those of the mask, by default all that are not PAD."""
    return x != PAD if mask is None else mask.bool()


def mean_of(h: Tensor, mask: Tensor) -> Tensor:
    """Return the mean vector over the places that count, ``(B, width)``; 0 where none does.

    Args:
        h: a vector for each place, ``(B, L, width)``.
        mask: which places count, ``(B, L)``.

    >>> mean_of(torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([[True, True, False]]))
    tensor([[3.]])
    """
    share = mask.to(h.dtype)
    return torch.einsum("bl,blw->bw", share, h) / share.sum(1, keepdim=True).clamp(min=1)


def encoder(
    tokens: int,
    longest: int,
    n_classes: int,
    *,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    seed: int = 0,
) -> Encoder:
    """Build a BERT-style encoder.

    Args:
        tokens: how many tokens there are, `PAD` among them.
        longest: tokens of the longest phrase it can read.
        n_classes: K.
        width: numbers in a vector; a multiple of `heads`.
        layers: how many times attention and an inner net follow each other.
        heads: of each attention.
        seed: of the initial weights.

    Raises:
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive, or `heads` does not divide `width`.
    """
    sizes = {"tokens": tokens, "longest": longest, "n_classes": n_classes, "width": width}
    sizes |= {"layers": layers, "heads": heads}
    sizes = {name: whole_number(name, size) for name, size in sizes.items()}
    if sizes["width"] % sizes["heads"]:
        raise ValueError(f"width={width} must be a multiple of heads={heads}: each gets a share.")
    return cast(Encoder, seeded(lambda: Encoder(**sizes), seed))


def gru(tokens: int, n_classes: int, *, width: int = 32, seed: int = 0) -> Recurrent:
    """Build a GRU that classifies; arguments and errors as those of `encoder`."""
    sizes = {"tokens": tokens, "n_classes": n_classes, "width": width}
    sizes = {name: whole_number(name, size) for name, size in sizes.items()}
    return cast(Recurrent, seeded(lambda: Recurrent(**sizes), seed))

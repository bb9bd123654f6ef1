"""A BERT from your own disk as a teacher: a folder in the layout of Hugging Face's hub.

Nothing is downloaded and no code from the folder is run. `transformers` does the reading, where it
is installed (``pip install "distill-lessons[models]"``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from distill_lessons.models import seeded
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type
from distill_lessons.text.names import checked

TOKEN_FILES = ("tokenizer.json", "vocab.txt")
# What a folder without a classifier of its own may lack: it is made anew.
_HEADS = ("classifier.", "score.", "pre_classifier.", "bert.pooler.")


class Pretrained(nn.Module):
    """A pretrained net and its tokenizer, used like the nets of this course.

    Attributes:
        net: of `transformers`, a sequence classifier.
        classes: the names of its K classes, as its configuration has them.
        longest: tokens of the longest phrase it can read.
    """

    def __init__(self, net: nn.Module, tokenizer: Any) -> None:
        """Put a net and a tokenizer together; see `load_hf`."""
        super().__init__()
        config = cast(Any, net).config
        self.net, self._tokenizer = net, tokenizer
        self.classes = tuple(config.id2label[k] for k in range(config.num_labels))
        self.longest = int(config.max_position_embeddings)
        self._pad = int(config.pad_token_id or 0)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits, ``(B, K)``, of tokens ``(B, L)``; by default all but padding count."""
        mask = x != self._pad if mask is None else mask
        return cast(Tensor, self.net(input_ids=x, attention_mask=mask.long()).logits)

    def encode(self, texts: Iterable[str]) -> tuple[Tensor, Tensor]:
        """Return phrases as this net's tokens ``(N, L)`` and which of them count ``(N, L)``.

        Raises:
            TypeError: if `texts` are not phrases.
            ValueError: if there is none, or one is longer than the net's table of places.
        """
        texts = checked(texts)
        rows = self._tokenizer(texts, verbose=False)["input_ids"]
        for text, row in zip(texts, rows, strict=True):
            if len(row) > self.longest:
                raise ValueError(
                    f"the phrase {text[:40]!r} has {len(row)} tokens, but this net's table of "
                    f"places has {self.longest}; cut it, or leave it out."
                )
        x = torch.full((len(rows), max(map(len, rows))), self._pad)
        mask = torch.zeros_like(x, dtype=torch.bool)
        for i, row in enumerate(rows):
            x[i, : len(row)], mask[i, : len(row)] = torch.tensor(row), True
        return x, mask


def load_hf(
    folder: str | os.PathLike[str], *, n_classes: int | None = None, seed: int = 0
) -> Pretrained:
    """Load a pretrained text model from a folder on this machine.

    Args:
        folder: holds ``config.json``, ``model.safetensors`` and ``tokenizer.json`` or
            ``vocab.txt``.
        n_classes: K, to put a new classifier with random weights on a net that has none; by
            default the folder's own classifier is used.
        seed: of the new classifier's weights.

    Returns:
        The net in eval mode. ``x, mask = net.encode(texts)`` makes its inputs.

    Raises:
        ImportError: if `transformers` is not installed.
        FileNotFoundError: if the folder, or one of its files, is not there.
        ValueError: if a file cannot be read, or the weights do not fit the configuration.
    """
    check_type("folder", folder, str | os.PathLike, "the path of a folder")
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"folder={str(folder)!r} is no folder on this machine.")
    for names in (("config.json",), ("model.safetensors",), TOKEN_FILES):
        if not any((path / name).is_file() for name in names):
            raise FileNotFoundError(f"folder={str(folder)!r} lacks {' or '.join(names)}.")
    if n_classes is not None:
        n_classes = whole_number("n_classes", n_classes, least=2)
    _check_config(path)
    if find_spec("transformers") is None:
        raise ImportError(
            'load_hf needs transformers, which is not installed: pip install "distill-lessons'
            '[models]".'
        )
    tokenizer = _tokenizer(path)
    net = cast(Any, seeded(lambda: _net(path, n_classes), seed))
    n_tokens, known = len(tokenizer), net.get_input_embeddings().num_embeddings
    if n_tokens > known:
        raise ValueError(
            f"the token file in {str(folder)!r} holds {n_tokens} tokens, the net knows {known}; "
            "they are not of one model."
        )
    return Pretrained(net, tokenizer).eval()


def _check_config(path: Path) -> None:
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        kind = config["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{str(path / 'config.json')!r} is no configuration of a model ({error!r}); copy it "
            "anew."
        ) from error
    if not isinstance(kind, str):
        raise ValueError(f"model_type={kind!r} in config.json must be a name, such as 'bert'.")


def _tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:  # what a broken file raises depends on the kind of file
        raise ValueError(
            f"the token file in {str(path)!r} is of no kind that transformers reads "
            f"({_first_line(error)}); copy tokenizer.json or vocab.txt anew."
        ) from error


def _net(path: Path, n_classes: int | None) -> nn.Module:
    from transformers import AutoModelForSequenceClassification

    sized = {} if n_classes is None else {"num_labels": n_classes}
    try:
        net, report = AutoModelForSequenceClassification.from_pretrained(
            path, local_files_only=True, use_safetensors=True, output_loading_info=True, **sized
        )
    except Exception as error:  # a broken file, sizes that differ, an unknown kind of net
        raise ValueError(
            f"the weights in {str(path)!r} cannot be loaded as config.json describes them "
            f"({_first_line(error)})."
        ) from error
    missing = sorted(report["missing_keys"])
    if n_classes is not None:
        missing = [name for name in missing if not name.startswith(_HEADS)]
    if missing or report["mismatched_keys"]:
        name = missing[0] if missing else sorted(report["mismatched_keys"])[0]
        raise ValueError(
            f"the weights in {str(path)!r} do not fit config.json: {name} is missing or of another "
            "size. A net without a classifier needs n_classes=."
        )
    return cast(nn.Module, net)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__

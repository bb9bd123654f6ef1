"""What phrases, tokens and nets of text do with everything that is likely to be given them."""

from __future__ import annotations

import torch
from arguments import COUNT, REFUSED, SEED, Row, made, refused, table_tests

from distill_lessons.text import corpus, grams, masked, names, nets, pieces

MODULES = [
    "text.names", "text.pieces", "text.grams", "text.nets", "text.corpus", "text.masked",
    "text.hugging",
]  # fmt: skip

TEXTS = ["anna", "na so", "ananas"]
GROUPS = ("a", "an", "s ")
X = torch.tensor([[3, 4, 0], [5, 0, 0]])
LANGUAGES = ["de", "nl"]

CODES = refused(
    none=None, text="de", number=3, one=["de"], unknown=["de", "xx"], twice=["de", "de"],
    numbers=[1, 2], empty=[],
)  # fmt: skip
PHRASE = refused(none=None, number=3, a_list=["a"])
PHRASES = refused(none=None, text="anna", number=3, empty=[], numbers=[1], no_letter=["anna", "12"])
FEW = COUNT | refused(text="many")
SHARE = refused(none=None, text=".2", zero=0.0, one=1.0, negative=-0.1, nan=float("nan"))
WEIGHT = refused(none=None, a_list=[[1.0]]) | made(
    REFUSED, flat=lambda good: good[0], fewer=lambda good: good[:, 1:]
)
TOKENS = refused(none=None, a_list=[[1]]) | made(
    REFUSED, floats=lambda good: good.float(), flat=lambda good: good[0]
)


def total(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (x * mask).sum(1).float()


TABLE = {
    "text.names.phrases": Row(
        names.phrases, lambda: {"languages": LANGUAGES}, {"languages": CODES}
    ),
    "text.names.clean": Row(names.clean, lambda: {"text": "Anna"}, {"text": PHRASE}),
    "text.names.checked": Row(names.checked, lambda: {"texts": TEXTS}, {"texts": PHRASES}),
    "text.pieces.learn": Row(
        pieces.learn, lambda: {"texts": TEXTS, "size": 2}, {"texts": PHRASES, "size": FEW}
    ),
    "text.grams.most_frequent": Row(
        grams.most_frequent, lambda: {"texts": TEXTS, "size": 4}, {"texts": PHRASES, "size": FEW}
    ),
    "text.grams.counts": Row(
        grams.counts,
        lambda: {"texts": TEXTS, "groups": GROUPS},
        {"texts": PHRASES, "groups": refused(text="an", empty=(), twice=("a", "a"))},
    ),
    "text.grams.named_weights": Row(
        grams.named_weights,
        lambda: {"net_weight": torch.ones(2, 3), "groups": GROUPS, "k": 1},
        {
            "net_weight": WEIGHT,
            "groups": refused(fewer=GROUPS[:2]),
            "k": refused(none=None, text="1", beyond=2, negative=-1),
        },
        but={("groups", "fewer"): REFUSED},
    ),
    "text.nets.encoder": Row(
        nets.encoder,
        lambda: {
            "tokens": 9,
            "longest": 4,
            "n_classes": 3,
            "width": 8,
            "layers": 1,
            "heads": 2,
            "seed": 0,
        },
        {
            **dict.fromkeys(("tokens", "longest", "n_classes", "layers"), FEW),
            "width": FEW | refused(odd=9),
            "heads": FEW | refused(three=3),
            "seed": SEED,
        },
    ),
    "text.nets.gru": Row(
        nets.gru,
        lambda: {"tokens": 9, "n_classes": 3, "width": 4, "seed": 0},
        {**dict.fromkeys(("tokens", "n_classes", "width"), FEW), "seed": SEED},
    ),
    "text.corpus.load": Row(
        lambda languages, size, longest, seed: (
            corpus.load(languages, size=size, longest=longest, seed=seed).data.test.x
        ),
        lambda: {"languages": LANGUAGES, "size": 50, "longest": 8, "seed": 0},
        {"languages": CODES, "size": FEW, "longest": FEW, "seed": SEED},
    ),
    "text.corpus.same_family": Row(
        corpus.same_family,
        lambda: {"languages": LANGUAGES},
        {"languages": refused(unknown=["de", "tr"])},
    ),
    "text.masked.guess_hidden": Row(
        masked.guess_hidden,
        lambda: {"share": 0.2, "seed": 0},
        {"share": SHARE, "seed": SEED},
        found=lambda given, result: 1.0,
    ),
    "text.masked.without_each": Row(
        masked.without_each,
        lambda: {"answer": total, "x": X, "mask": None},
        {
            "answer": refused(one_number=lambda x, mask: total(x, mask).sum()),
            "x": TOKENS,
            "mask": {},
        },
    ),
}
UNCHECKED = {
    "text.grams.grams": "its text goes to clean",
    "text.grams.letter_shares": "its text goes to clean",
    "text.nets.counted": "is part of a forward pass",
    "text.nets.mean_of": "is part of a forward pass",
    "text.masked.logit_of": "what it returns goes to evaluation.predict",
    "text.hugging.load_hf": "test_text_from_a_folder.py breaks its folders",
}

test_argument, test_every_function, test_every_argument = table_tests(TABLE, UNCHECKED, MODULES)

"""Text: phrases in sixteen languages, tokens, an encoder, a GRU, students that count letters.

`load` gives the phrases as a data set, `encoder` and `gru` build nets for their tokens, `grams`
has what a linear student needs, `masked` what hides tokens, and `load_hf` takes a pretrained net
from a folder on this machine.
"""

from distill_lessons.text.corpus import Corpus, load, same_family
from distill_lessons.text.hugging import Pretrained, load_hf
from distill_lessons.text.masked import guess_hidden, logit_of, without_each
from distill_lessons.text.names import FAMILIES, LANGUAGES, clean, phrases
from distill_lessons.text.nets import Attention, Encoder, counted, encoder, gru, mean_of
from distill_lessons.text.pieces import SPECIAL, Vocabulary, learn

__all__ = [
    "FAMILIES",
    "LANGUAGES",
    "SPECIAL",
    "Attention",
    "Corpus",
    "Encoder",
    "Pretrained",
    "Vocabulary",
    "clean",
    "counted",
    "encoder",
    "gru",
    "guess_hidden",
    "learn",
    "load",
    "load_hf",
    "logit_of",
    "mean_of",
    "phrases",
    "same_family",
    "without_each",
]

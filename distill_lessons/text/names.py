"""Phrases in sixteen languages, from the names that `babel` has of them: no download.

Babel comes with JupyterLab and holds the names of languages, countries, currencies and cities in
many languages (Unicode's CLDR). A phrase that two of the chosen languages spell alike is left out,
and each phrase is there once: so none stands on both sides of a split. Which phrases there are
depends on babel's version.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from distill_lessons.tensors import check_type

# Language families as one finds them in any handbook, so that nobody drew them after a look at the
# confusions.
FAMILIES = {
    "West Germanic": ("af", "de", "en", "nl"),
    "North Germanic": ("da", "nb", "sv"),
    "Romance": ("es", "fr", "it", "pt"),
    "Slavic": ("cs", "pl", "sk"),
    "Uralic": ("fi", "hu"),
}
LANGUAGES = tuple(code for family in FAMILIES.values() for code in family)
SHORTEST, LONGEST = 3, 24  # letters


def phrases(languages: Sequence[str] = LANGUAGES) -> tuple[list[str], list[int]]:
    """Return phrases of 3 to 24 letters that belong to exactly one of some languages.

    Args:
        languages: codes such as ``"de"`` that babel knows, at least two.

    Returns:
        The phrases, in lower case and in alphabetical order, and for each the place of its language
        in `languages`.

    Raises:
        TypeError: if `languages` is not a list of words.
        ValueError: if there are fewer than two, one is there twice, or babel does not know one.

    >>> texts, labels = phrases(["de", "en"])
    >>> labels[texts.index("schweden")], labels[texts.index("sweden")]
    (0, 1)
    >>> "angola" in texts  # both spell it so
    False
    """
    codes = _checked(languages)
    owners: dict[str, set[int]] = {}
    for place, code in enumerate(codes):
        for name in _names(code):
            owners.setdefault(clean(name), set()).add(place)
    kept = [
        (text, next(iter(owner)))
        for text, owner in sorted(owners.items())
        if len(owner) == 1 and SHORTEST <= len(text) <= LONGEST
    ]
    return [text for text, _ in kept], [label for _, label in kept]


def clean(text: str) -> str:
    """Return a text in lower case, with letters and single spaces alone.

    Raises:
        TypeError: if it is not a text.

    >>> clean("Côte d’Ivoire (1960)")
    'côte d ivoire'
    """
    check_type("text", text, str, "a phrase, such as 'ein Beispiel'")
    composed = unicodedata.normalize("NFC", text).lower()
    return " ".join("".join(c if c.isalpha() else " " for c in composed).split())


def checked(texts: Iterable[str]) -> list[str]:
    """Return phrases as a list, if they are phrases.

    Raises:
        TypeError: if `texts` is a single text, or holds something else.
        ValueError: if there is none, or one holds no letter.
    """
    remedy = "a list of phrases: [text] for a single one"
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"texts={texts!r} is no list; give {remedy}.")
    texts = list(texts)
    for i, text in enumerate(texts):
        check_type(f"texts[{i}]", text, str, remedy)
        if not clean(text):
            raise ValueError(f"texts[{i}]={text!r} holds no letter; leave it out.")
    if not texts:
        raise ValueError("texts is empty; give at least one phrase.")
    return texts


def _names(code: str) -> Iterator[str]:
    from babel import Locale

    locale = Locale.parse(code)
    for names in (locale.languages, locale.territories, locale.currencies):
        yield from names.values()
    yield from (zone["city"] for zone in locale.time_zones.values() if "city" in zone)


def _checked(languages: Sequence[str]) -> list[str]:
    from babel.localedata import exists

    remedy = "a list of codes, such as ['de', 'en']"
    check_type("languages", languages, Sequence, remedy)
    if isinstance(languages, str):
        raise TypeError(f"languages is a single text, {languages!r}; give {remedy}.")
    for code in languages:
        check_type("languages", code, str, remedy)
        if not exists(code):
            raise ValueError(f"languages holds {code!r}, which babel does not know; give codes.")
    if len(languages) < 2 or len(set(languages)) < len(languages):
        raise ValueError(f"languages={list(languages)} must be at least two, each of them once.")
    return list(languages)

"""Phrases drawn letter by letter, and the field for one of your own."""

from __future__ import annotations

import pytest

from distill_lessons import asking, plots
from distill_lessons.plots import phrases

ROWS = {"de": ("ja so", [3.0, 8.0, 0.0, -1.0, 0.5]), "fi": ("ei", [1.0, -2.0])}


def test_every_letter_stands_on_its_own_number() -> None:
    ax = plots.letters(ROWS, "Two phrases", label="share of the logit")
    assert [text.get_text() for text in ax.texts] == list("ja so" + "ei")
    drawn = ax.images[0].get_array()
    assert drawn[0].tolist() == ROWS["de"][1]
    assert drawn[1, :2].tolist() == ROWS["fi"][1]
    low, high = ax.images[0].get_clim()
    assert (low, high) == (-8.0, 8.0)  # white is zero


@pytest.mark.parametrize(
    ("rows", "words"),
    [({}, "rows is empty"), ({"de": ("ja", [1.0])}, r"rows\['de'\] has 1 numbers for 2 signs")],
)
def test_rows_that_do_not_fit_are_refused(rows: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.letters(rows, "No phrase", label="x")  # type: ignore[arg-type]


def answer(phrase: str) -> dict[str, list[float]]:
    if not phrase.isalpha():
        raise ValueError("give letters <only>")
    return {"teacher": [0.25, 0.75], "student": [0.5, 0.5]}


def test_without_widgets_the_examples_stand_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILL_LIVE", "0")
    shown = []
    monkeypatch.setattr(phrases.page, "show", lambda *parts: shown.append(parts))
    plots.type_a_phrase(answer, ["de", "fi"], ["ja", "ei"])
    [(markup, words)] = shown
    assert "fi 75 %, de 25 %" in markup
    assert words.splitlines()[0] == "ja | teacher: fi 75 %, de 25 %"
    with pytest.raises(ValueError, match="examples is empty"):
        plots.type_a_phrase(answer, ["de", "fi"], [])


def test_a_typed_phrase_is_answered_and_a_bad_one_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    noted, tables = [], []
    monkeypatch.setenv("DISTILL_LIVE", "1")
    monkeypatch.setattr(phrases.asking, "words", lambda label, note: noted.append(note))
    monkeypatch.setattr(phrases.asking, "show", lambda widget: None)
    monkeypatch.setattr(phrases.page, "show", lambda *parts: "shown")
    monkeypatch.setattr(phrases.page, "replace", lambda shown, html, text: tables.append(html))
    plots.type_a_phrase(answer, ["de", "fi"], ["ja"])
    [note] = noted
    note("<b>")
    note("nein")
    assert "give letters &lt;only&gt;" in tables[0]
    assert "<b>&lt;b&gt;</b>" in tables[0]
    assert tables[1].index("nein") < tables[1].index(">ja<")


def test_a_field_for_words_notes_what_is_typed() -> None:
    noted: list[str] = []
    field = asking.words("Type", noted.append).children[0]
    field.value = "  guten Tag "
    field.value = "   "
    assert noted == ["guten Tag"]

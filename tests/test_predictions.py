"""Predictions: asked with buttons or as text, and compared with what was measured."""

from __future__ import annotations

import pytest

from distill_lessons.claims import Effect
from distill_lessons.predictions import Prediction, compare, in_words, predict

POINTS = Effect(0.099, 0.078, 0.12, n=10, unit="points")


def test_without_a_person_the_question_stands_as_text(monkeypatch, capsys):
    monkeypatch.setenv("DISTILL_LIVE", "0")
    made = predict("How many points are won?", unit="points")
    assert made.value is None
    assert capsys.readouterr().out == (
        "Your prediction: How many points are won? (a number, in points)\n"
        "Without buttons: my_guess.value = ...\n"
    )
    predict("Which wins?", ["the student", "neither"])
    assert "(the student / neither)\n" in capsys.readouterr().out


@pytest.fixture
def shown(live, monkeypatch) -> list[dict[str, str]]:
    bundles: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def fields(monkeypatch):
    """Catch the widgets that `predict` makes."""
    import ipywidgets

    made = []
    box = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda parts: made.append(parts) or box(parts))
    return made


def test_a_number_is_typed_into_a_field(shown, monkeypatch):
    made = fields(monkeypatch)
    guess = predict("How many?", unit="points")
    label, field, said = made[0]
    assert "How many?" in label.value
    field.value = "−2,5"
    assert guess.value == -2.5
    assert said.value == "noted: -2.5"
    field.value = "many"
    assert guess.value is None
    assert "a number is due" in said.value
    field.value = ""
    assert guess.value is None
    # A front end without widgets shows the question and how to answer it.
    assert shown[0]["text/plain"] == in_words(guess)
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


def test_an_option_is_clicked(shown, monkeypatch):
    made = fields(monkeypatch)
    guess = predict("Which?", ("more", "less"))
    assert made[0][1].value is None  # nothing is chosen for the learner
    made[0][1].value = "less"
    assert guess.value == "less"


@pytest.mark.parametrize(
    ("value", "measured", "said"),
    [
        (None, POINTS, "You predicted nothing"),
        (..., POINTS, "You predicted nothing"),
        (10, POINTS, "Well guessed: that lies in the interval."),
        ("10", POINTS, "You predicted 10 points. Measured: +9.9 points, 95 % interval"),
        (2, POINTS, "Your guess was 7.9 points too low."),
        (20.0, POINTS, "Your guess was 10.1 points too high."),
        (-2, POINTS, "Your guess was 11.9 points too low."),
        (12, 0.12, "Well guessed."),
    ],
)
def test_a_number_is_compared_in_the_unit_that_is_shown(value, measured, said, capsys):
    compare(Prediction("How many?", unit="points", value=value), measured)
    assert said in capsys.readouterr().out


def test_a_bare_number_is_shown_in_the_unit_that_was_asked_for(capsys):
    for value, said in ((None, "Measured: 0.5 %. You predicted nothing"), (5, "Measured: 0.5 %.")):
        compare(Prediction("?", unit="%", value=value), 0.005447)
        assert said in capsys.readouterr().out
    compare(Prediction("?"), 3.0)
    assert "Measured: 3. " in capsys.readouterr().out


def test_an_option_is_compared(capsys):
    options = ("more", "less")
    compare(Prediction("?", options, value="more"), "more")
    compare(Prediction("?", options, value="less"), "more")
    compare(Prediction("?", options), "more")
    right, wrong, none = capsys.readouterr().out.splitlines()
    assert "Right!" in right
    assert "Not what you expected" in wrong
    assert "Measured: more. You predicted nothing" in none


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: predict("?", ["only one"]), "leaves no choice"),
        (lambda: predict("?", unit="miles"), "unit='miles' is unknown"),
        (lambda: compare(Prediction("?", value="five"), 5.0), "my_guess.value='five' is no number"),
        (lambda: compare(Prediction("?", ("a", "b"), value="c"), "a"), "none of 'a', 'b'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
